/** The metrics of the backends: links to Redis, parts that `/ready` checks, and the limiters' fallback. */
import { Counter, Gauge, type Registry } from "prom-client";

export class BackendMetrics {
  readonly #registry: Registry;
  readonly #linkUp;
  readonly #linksReplaced;
  readonly #storesReplaced;
  readonly #limiterFallback;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.#linkUp = new Gauge({
      name: "curfew_link_up",
      help: "1 if the link to Redis can be used, 0 if it is lost or Redis refuses what Curfew needs.",
      labelNames: ["link"] as const,
      registers,
    });
    this.#linksReplaced = new Counter({
      name: "curfew_links_replaced_total",
      help: "Losses of links to Redis, each followed by a new link.",
      labelNames: ["link"] as const,
      registers,
    });
    this.#storesReplaced = new Counter({
      name: "curfew_stores_replaced_total",
      help: "How often another Redis answered than before.",
      registers,
    });
    this.#limiterFallback = new Counter({
      name: "curfew_limiter_fallback_total",
      help: "Attempts that were counted on this node only, because Redis did not count them.",
      registers,
    });
  }

  linkChanged(link: "commands" | "subscriber", isUp: boolean): void {
    this.#linkUp.set({ link }, isUp ? 1 : 0);
    // The first increment counts only if the series exists before it.
    this.#linksReplaced.inc({ link }, isUp ? 0 : 1);
  }

  storeReplaced(): void {
    this.#storesReplaced.inc();
  }

  limiterFellBack(): void {
    this.#limiterFallback.inc();
  }

  /** Exposes the parts that `/ready` checks. Each scrape checks them. */
  showParts(check: () => Promise<Readonly<Record<string, "up" | "down">>>): void {
    const gauge = new Gauge({
      name: "curfew_part_up",
      help: "1 if the part works, 0 if it does not: what /ready reports.",
      labelNames: ["part"] as const,
      registers: [],
      async collect() {
        for (const [part, state] of Object.entries(await check()))
          this.set({ part }, state === "up" ? 1 : 0);
      },
    });
    this.#registry.registerMetric(gauge);
  }
}

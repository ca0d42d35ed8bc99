/** The metrics of a node, for Prometheus: what is counted, and under which names. No label names a person. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Audit, AuditFact } from "../session/audit.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { SessionMessage } from "../session/messages.ts";
import { endReasons } from "../protocol/end-reasons.ts";
import { refusalReasons } from "../protocol/refusal-reasons.ts";
import { LeanHistogram } from "./lean-histogram.ts";
import { processMetrics } from "./process-metrics.ts";

/** Seconds; from less than a message takes to more than the outage grace. */
const closeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const recheckBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const storeBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5];

/** Takes milliseconds, by what came of it. */
export type StoreTimer = Readonly<
  Record<"ok" | "unavailable" | "error", (milliseconds: number) => void>
>;

/** One for each server: several in a process do not disturb each other. */
export class Metrics {
  /** An app may add its own. */
  readonly registry = new Registry();
  readonly #clock: () => number;

  readonly #started = this.#counter("sessions_started", "Sessions that began on this node.");
  readonly #renewed = this.#counter("sessions_renewed", "Renewals that this node made.");
  readonly #ended = this.#counter("sessions_ended", "Sessions that this node ended.", ["reason"]);
  readonly #renewalsRefused = this.#counter("renewals_refused", "Renewals refused here.", [
    "reason",
  ]);
  readonly #accessRefused = this.#counter(
    "access_refused",
    "Requests and sockets that were not let in.",
    ["transport", "reason"],
  );
  readonly #attemptsRefused = this.#counter(
    "attempts_refused",
    "Logins, registrations and changes of a password that came to nothing.",
    ["attempt", "reason"],
  );
  readonly #connectionsEnded = this.#counter(
    "connections_ended",
    "Sockets and streams that ended, by why.",
    ["transport", "ending"],
  );
  readonly #found = this.#counter(
    "recheck_found",
    "Sessions with connections whose end was found by reading, since no message had told of it.",
  );
  readonly #gaps = this.#counter(
    "topic_gaps",
    "Gaps in which messages of other nodes may have been lost.",
  );
  readonly #faults = this.#counter("faults", "Faults that are in the log and failed nobody.");
  readonly #connections = new Gauge({
    name: "curfew_connections",
    help: "Sockets and streams that are open on this node.",
    labelNames: ["transport"] as const,
    registers: [this.registry],
  });
  readonly #endToClose = new Histogram({
    name: "curfew_end_to_close_seconds",
    help: "From when the store had ended a session to when a connection under it was closed.",
    buckets: closeBuckets,
    registers: [this.registry],
  });
  readonly #recheck = new Histogram({
    name: "curfew_recheck_seconds",
    help: "How long it took to reread the sessions of all connections.",
    labelNames: ["outcome"] as const,
    buckets: recheckBuckets,
    registers: [this.registry],
  });
  readonly #storeSeconds = new LeanHistogram({
    name: "curfew_store_seconds",
    help: "How long the session store took.",
    labelNames: ["operation", "outcome"] as const,
    buckets: storeBuckets,
    registers: [this.registry],
  });

  /**
   * @param clock epoch milliseconds
   * @param lostLines how many lines of the log were lost so far, in the whole process
   */
  constructor(clock: () => number, lostLines: () => number) {
    this.#clock = clock;
    const logLinesLost = new Counter({
      name: "curfew_log_lines_lost_total",
      help: "Lines of the log that were dropped, since its reader or its disk did not take them.",
      registers: [],
      collect() {
        this.reset();
        this.inc(lostLines());
      },
    });
    this.registry.registerMetric(logLinesLost);
    // A series that is there from the beginning shows its first increase.
    for (const reason of endReasons)
      // Nobody does that, and so nobody counts it.
      if (reason !== "EXPIRED") this.#ended.inc({ reason }, 0);
    for (const reason of refusalReasons) {
      this.#renewalsRefused.inc({ reason }, 0);
      for (const transport of ["http", "socket"]) this.#accessRefused.inc({ transport, reason }, 0);
    }
    for (const transport of ["socket", "stream"]) this.#connections.set({ transport }, 0);
    for (const outcome of ["complete", "incomplete"]) this.#recheck.zero({ outcome });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The page for Prometheus, with the metrics of the process. */
  async read(): Promise<string> {
    const [own, ofProcess] = await Promise.all([
      this.registry.metrics(),
      processMetrics().metrics(),
    ]);
    return `${own}\n${ofProcess}`;
  }

  /** Writes a fact down and counts it. */
  counting(audit: Audit): Audit {
    return (fact) => {
      audit(fact);
      this.#count(fact);
    };
  }

  #count(fact: AuditFact): void {
    switch (fact.event) {
      case "login":
        return this.#started.inc();
      case "renewal":
        return this.#renewed.inc();
      case "end":
        return this.#ended.inc({ reason: fact.reason });
      case "renewalRefused":
        return this.#renewalsRefused.inc({ reason: fact.reason });
      case "reuse":
        return this.#renewalsRefused.inc({ reason: "REUSED" });
      case "refused":
        return this.#accessRefused.inc({ transport: fact.transport, reason: fact.reason });
      case "throttled":
        return this.#attemptsRefused.inc({ attempt: fact.attempt, reason: fact.reason });
      case "loginRefused":
        return this.#attemptsRefused.inc({ attempt: "login", reason: fact.reason });
      case "registrationRefused":
        return this.#attemptsRefused.inc({ attempt: "registration", reason: fact.reason });
      case "passwordChangeRefused":
        return this.#attemptsRefused.inc({ attempt: "passwordChange", reason: fact.reason });
      case "registration":
      case "passwordChange":
      case "endUnknown":
      case "foreignReplay":
      case "lock":
      case "unlock":
      case "deletion":
    }
  }

  opened(transport: "socket" | "stream"): void {
    this.#connections.inc({ transport });
  }

  ended(transport: "socket" | "stream", ending: CloseReason): void {
    this.#connections.dec({ transport });
    this.#connectionsEnded.inc({ transport, ending });
  }

  /** By the clocks of two nodes, where another node ended the session. */
  closing({ at }: SessionMessage & { readonly type: "ended" }): () => void {
    if (at === undefined) return () => {};
    return () => this.#endToClose.observe(Math.max(0, this.#clock() - at) / 1000);
  }

  missedEndDetected(): void {
    this.#found.inc();
  }

  rechecked(milliseconds: number, isWhole: boolean): void {
    this.#recheck.observe({ outcome: isWhole ? "complete" : "incomplete" }, milliseconds / 1000);
  }

  gap(): void {
    this.#gaps.inc();
  }

  fault(): void {
    this.#faults.inc();
  }

  /** Asked for once: what it gives is used at each request. */
  storeTimer(operation: string): StoreTimer {
    const timer = (outcome: keyof StoreTimer) => {
      const observe = this.#storeSeconds.seriesOf({ operation, outcome });
      return (milliseconds: number) => observe(milliseconds / 1000);
    };
    return { ok: timer("ok"), unavailable: timer("unavailable"), error: timer("error") };
  }

  #counter<Label extends string = never>(name: string, help: string, labelNames: Label[] = []) {
    return new Counter({
      name: `curfew_${name}_total`,
      help,
      labelNames,
      registers: [this.registry],
    });
  }
}

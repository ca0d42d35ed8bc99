/** The Prometheus metrics of one node, with their names and buckets. No label identifies a user. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Audit, AuditFact } from "../session/audit.ts";
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ReportedEnd } from "../session/ends.ts";
import { endReasons } from "../protocol/end-reasons.ts";
import { refusalReasons } from "../protocol/refusal-reasons.ts";
import { BackendMetrics } from "./backend-metrics.ts";
import { processMetrics } from "./process-metrics.ts";

/** Bucket bounds in seconds: from less than one message takes to the default outage grace. */
const closeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const recheckBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const storeBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5];

/** Values of the label `ending`, which dashboards and alerts of operators query. */
const endingLabels = {
  UNAUTHENTICATED: "UNAUTHENTICATED",
  SESSION_ENDED: "ENDED",
  SESSION_EXPIRED: "EXPIRED",
  TRY_AGAIN_LATER: "UNAVAILABLE",
  TOO_MANY_CONNECTIONS: "TOO_MANY",
  SERVICE_RESTART: "GOING_AWAY",
  CLIENT_GONE: "LEFT",
} as const satisfies Record<CloseReason, string>;

/** Records how long a call took, by its outcome. */
export type StoreTimer = Readonly<
  Record<"ok" | "unavailable" | "error", (milliseconds: number) => void>
>;

/** The metrics of one server. Several servers in one process have separate registries. */
export class Metrics {
  /** An app may register metrics of its own here. */
  readonly registry = new Registry();
  readonly backends = new BackendMetrics(this.registry);
  readonly #clock: () => number;

  readonly #started = this.#counter("sessions_started", "Sessions started on this node.");
  readonly #renewed = this.#counter("sessions_renewed", "Sessions renewed on this node.");
  readonly #ended = this.#counter("sessions_ended", "Sessions ended by this node.", ["reason"]);
  readonly #renewalsRefused = this.#counter(
    "renewals_refused",
    "Renewals refused by this node, by reason.",
    ["reason"],
  );
  readonly #endsReplayed = this.#counter(
    "ends_replayed",
    "Ends that a store had lost, for example in a failover, and that this node carried out again.",
  );
  readonly #accessRefused = this.#counter(
    "access_refused",
    "Requests and sockets whose access token was refused.",
    ["transport", "reason"],
  );
  readonly #attemptsRefused = this.#counter(
    "attempts_refused",
    "Refused logins, registrations and password changes.",
    ["attempt", "reason"],
  );
  readonly #connectionsEnded = this.#counter(
    "connections_ended",
    "Sockets and streams that ended, by reason.",
    ["transport", "ending"],
  );
  readonly #missedEnds = this.#counter(
    "recheck_found",
    "Sessions with connections whose end was found by a recheck, because no message reported it.",
  );
  readonly #gaps = this.#counter(
    "topic_gaps",
    "Gaps in which messages from other nodes may have been lost.",
  );
  readonly #faults = this.#counter("faults", "Errors that were logged and failed no operation.");
  readonly #connections = new Gauge({
    name: "curfew_connections",
    help: "Open sockets and streams of this node.",
    labelNames: ["transport"] as const,
    registers: [this.registry],
  });
  readonly #endToClose = new Histogram({
    name: "curfew_end_to_close_seconds",
    help: "Time from the end of a session in the store to the close of a connection under it.",
    buckets: closeBuckets,
    registers: [this.registry],
  });
  readonly #recheck = new Histogram({
    name: "curfew_recheck_seconds",
    help: "Duration of one recheck, which reads the sessions of all connections.",
    labelNames: ["outcome"] as const,
    buckets: recheckBuckets,
    registers: [this.registry],
  });
  readonly #storeSeconds = new Histogram({
    name: "curfew_store_seconds",
    help: "Duration of calls to the session store.",
    labelNames: ["operation", "outcome"] as const,
    buckets: storeBuckets,
    registers: [this.registry],
  });

  /**
   * @param clock epoch milliseconds
   * @param lostLines returns how many log lines this process has dropped so far
   */
  constructor(clock: () => number, lostLines: () => number) {
    this.#clock = clock;
    const logLinesLost = new Counter({
      name: "curfew_log_lines_lost_total",
      help: "Log lines that were dropped because the reader or the disk did not accept them.",
      registers: [],
      collect() {
        this.reset();
        this.inc(lostLines());
      },
    });
    this.registry.registerMetric(logLinesLost);
    // `rate()` and `increase()` see the first increment of a series only if the series exists before it.
    for (const reason of endReasons)
      // No node ends an expired session, so none counts it.
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

  /** Renders the page for Prometheus, including the metrics of the process. */
  async read(): Promise<string> {
    const pages = await Promise.all([this.registry.metrics(), processMetrics().metrics()]);
    return pages.join("\n");
  }

  /** Wraps an audit trail so that each fact is also counted. */
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
      case "endReplayed":
      case "endUnknown":
      case "foreignReplay":
      case "lock":
      case "unlock":
      case "deletion":
      case "endEverybody":
    }
  }

  opened(transport: "socket" | "stream"): void {
    this.#connections.inc({ transport });
  }

  ended(transport: "socket" | "stream", reason: CloseReason): void {
    this.#connections.dec({ transport });
    this.#connectionsEnded.inc({ transport, ending: endingLabels[reason] });
  }

  /**
   * Returns a function to call as each connection of an ended session closes. If another node ended the session,
   * the time is the difference of two nodes' clocks.
   */
  closing({ at }: ReportedEnd): () => void {
    if (at === undefined) return () => {};
    return () => this.#endToClose.observe(Math.max(0, this.#clock() - at) / 1000);
  }

  missedEndDetected(): void {
    this.#missedEnds.inc();
  }

  rechecked(milliseconds: number, isComplete: boolean): void {
    this.#recheck.observe({ outcome: isComplete ? "complete" : "incomplete" }, milliseconds / 1000);
  }

  /** Reports how many ends the node remembers, and how many it forgot early. */
  watchEnds(ends: { readonly size: number; readonly forgottenEarly: number }): void {
    const remembered = new Gauge({
      name: "curfew_ends_remembered",
      help: "Recent ends of sessions that this node remembers.",
      registers: [],
      collect() {
        this.set(ends.size);
      },
    });
    const forgotten = new Counter({
      name: "curfew_ends_forgotten_total",
      help: "Recent ends that this node forgot early, because it remembered too many.",
      registers: [],
      collect() {
        this.reset();
        this.inc(ends.forgottenEarly);
      },
    });
    this.registry.registerMetric(remembered);
    this.registry.registerMetric(forgotten);
  }

  /** Another store answered, and that many ends of a batch were missing there. */
  endsReplayed(lost: number): void {
    this.#endsReplayed.inc(lost);
  }

  gap(): void {
    this.#gaps.inc();
  }

  fault(): void {
    this.#faults.inc();
  }

  /** Returns the timer of one operation of the store. An observation takes 0.6 µs. */
  storeTimer(operation: string): StoreTimer {
    const timer = (outcome: keyof StoreTimer) => {
      const labels = { operation, outcome };
      this.#storeSeconds.zero(labels);
      const series = this.#storeSeconds.labels(labels);
      return (milliseconds: number) => series.observe(milliseconds / 1000);
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

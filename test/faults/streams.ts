/** A client's SSE subscription, recorded in the trace like a WebSocket. */
import { setTimeout as pause } from "node:timers/promises";
import { openStream, type StreamEvent, type TestStream } from "../helpers/sse.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { slack } from "./guarantees.ts";
import {
  outcomeOfError,
  eventsSubscription,
  type NodeAddress,
  type RecordOutcome,
} from "./sockets.ts";
import type { Trace } from "./trace.ts";

/** The close codes that a WebSocket would have received. */
const codes: Readonly<Record<string, number>> = {
  ENDED: 4401,
  EXPIRED: 4403,
  UNAVAILABLE: 1013,
  SERVICE_RESTART: 1012,
};
const abnormalClosure = 1006;

export class EventStream {
  readonly closed: Promise<void>;
  /** Resolves when the server has accepted or refused the subscription. */
  readonly settled: Promise<void>;
  readonly #trace: Trace;
  readonly #abort = new AbortController();
  readonly #settle: () => void;
  readonly #recordOutcome: RecordOutcome;
  #opened = 0;
  #connection: number | undefined;
  #isFinished = false;

  constructor(trace: Trace, session: string, node: NodeAddress, token: string) {
    const settled = Promise.withResolvers<void>();
    this.settled = settled.promise;
    this.#settle = settled.resolve;
    this.#trace = trace;
    this.#recordOutcome = trace.invoke({ name: "connect", session, node: node.name });
    this.closed = this.#run(node, token);
  }

  get isOpen(): boolean {
    return this.#connection !== undefined && !this.#isFinished;
  }

  close(): void {
    this.#abort.abort();
  }

  terminate(): void {
    this.#abort.abort();
  }

  async #run({ url, pid }: NodeAddress, token: string): Promise<void> {
    let stream: TestStream | undefined;
    try {
      const onEvent = (event: StreamEvent) => this.#receive(event);
      stream = await openStream(url, eventsSubscription, { token, abort: this.#abort, onEvent });
      this.#opened = this.#trace.now();
      // A refusal is the first event and comes at once, unless the machine delays the node or this process.
      const elapsed = stopwatch(pid);
      while (!this.#isFinished && elapsed() < slack)
        await Promise.race([stream.ended, pause(slack / 10, undefined, { ref: false })]);
      this.#accept();
      await stream.ended;
    } catch {
      // The connection was lost, for example because the node was killed.
    }
    this.#finish({ kind: "unknown" }, abnormalClosure);
  }

  #accept(): void {
    if (this.#isFinished || this.#connection !== undefined) return;
    this.#connection = this.#trace.nextId();
    this.#recordOutcome({ kind: "ok", connection: this.#connection, opened: this.#opened });
    this.#settle();
  }

  #receive({ data: result }: StreamEvent): void {
    if (result === undefined) return;
    const error = result.errors?.[0];
    if (error === undefined) {
      this.#accept();
      if (this.#connection !== undefined)
        this.#trace.record({ kind: "delivery", connection: this.#connection });
      return;
    }
    const outcome = outcomeOfError(error.extensions);
    this.#finish(outcome, codes[outcome.reason] ?? 4500);
  }

  #finish(outcome: Parameters<RecordOutcome>[0], code: number): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    if (this.#connection === undefined) this.#recordOutcome(outcome);
    else this.#trace.record({ kind: "close", connection: this.#connection, code });
    this.#settle();
  }
}

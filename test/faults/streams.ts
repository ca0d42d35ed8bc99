/** A client's event stream over HTTP with a subscription, noted in the trace as a socket is. */
import { setTimeout as pause } from "node:timers/promises";
import { openStream, type StreamEvent, type TestStream } from "../helpers/sse.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { slack } from "./promise.ts";
import { failure, watch, type Address, type Done } from "./sockets.ts";
import type { Trace } from "./trace.ts";

/** As a socket would have been closed. */
const codes: Readonly<Record<string, number>> = {
  ENDED: 4401,
  EXPIRED: 4403,
  UNAVAILABLE: 1013,
  SERVICE_RESTART: 1012,
};
const cut = 1006;

export class EventStream {
  readonly closed: Promise<void>;
  /** Resolves when the server has let it in or turned it away. */
  readonly settled: Promise<void>;
  readonly #trace: Trace;
  readonly #abort = new AbortController();
  readonly #settle: () => void;
  readonly #done: Done;
  #opened = 0;
  #connection: number | undefined;
  #isOver = false;

  constructor(trace: Trace, session: string, node: Address, token: string) {
    const settled = Promise.withResolvers<void>();
    this.settled = settled.promise;
    this.#settle = settled.resolve;
    this.#trace = trace;
    this.#done = trace.invoke({ name: "connect", session, node: node.name });
    this.closed = this.#run(node, token);
  }

  get isOpen(): boolean {
    return this.#connection !== undefined && !this.#isOver;
  }

  close(): void {
    this.#abort.abort();
  }

  terminate(): void {
    this.#abort.abort();
  }

  async #run({ url, pid }: Address, token: string): Promise<void> {
    let stream: TestStream | undefined;
    try {
      const onEvent = (event: StreamEvent) => this.#receive(event);
      stream = await openStream(url, watch, { token, abort: this.#abort, onEvent });
      this.#opened = this.#trace.now();
      // A refusal is the first event, and comes at once, if the machine lets the node send it and this process read it.
      const elapsed = stopwatch(pid);
      while (!this.#isOver && elapsed() < slack)
        await Promise.race([stream.ended, pause(slack / 10, undefined, { ref: false })]);
      this.#accept();
      await stream.ended;
    } catch {
      // Cut, as when its node was killed.
    }
    this.#over({ kind: "unknown" }, cut);
  }

  #accept(): void {
    if (this.#isOver || this.#connection !== undefined) return;
    this.#connection = this.#trace.count();
    this.#done({ kind: "ok", connection: this.#connection, opened: this.#opened });
    this.#settle();
  }

  #receive({ data: result }: StreamEvent): void {
    if (result === undefined) return;
    const error = result.errors?.[0];
    if (error === undefined) {
      this.#accept();
      if (this.#connection !== undefined)
        this.#trace.note({ kind: "delivery", connection: this.#connection });
      return;
    }
    const refusal = failure(error.extensions);
    this.#over(refusal, codes[refusal.reason] ?? 4500);
  }

  #over(refusal: Parameters<Done>[0], code: number): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#connection === undefined) this.#done(refusal);
    else this.#trace.note({ kind: "close", connection: this.#connection, code });
    this.#settle();
  }
}

/** The metrics and traces of one node. */
import type { SessionMessage } from "../session/messages.ts";
import type { SessionStore } from "../session/store.ts";
import { Metrics } from "./metrics.ts";
import { MeasuredStore } from "./measured-store.ts";
import { startTracing, type Trace } from "./tracing.ts";

export class Telemetry {
  readonly metrics: Metrics;
  readonly #trace: Trace | undefined;

  private constructor(metrics: Metrics, trace: Trace | undefined) {
    this.metrics = metrics;
    this.#trace = trace;
  }

  /**
   * @param clock epoch milliseconds
   * @param lostLines returns how many log lines this process has dropped so far
   */
  static async start(clock: () => number, lostLines: () => number): Promise<Telemetry> {
    return new Telemetry(new Metrics(clock, lostLines), await startTracing());
  }

  /** Wraps a store so that its calls are measured and traced. */
  measured(store: SessionStore): SessionStore {
    const { metrics } = this;
    return new MeasuredStore(store, {
      timerOf: (operation) => metrics.storeTimer(operation),
      trace: this.#trace,
    });
  }

  /** Feeds the events of connections to the metrics, and the closing of connections to the trace too. */
  get observer() {
    const { metrics } = this;
    const trace = this.#trace;
    const closing = (end: SessionMessage & { readonly type: "ended" }, connections: number) => {
      const count = metrics.closing(end);
      const traceClose = trace?.closing(end, connections);
      return () => {
        count();
        traceClose?.();
      };
    };
    return {
      opened: metrics.opened.bind(metrics),
      ended: metrics.ended.bind(metrics),
      missedEndDetected: metrics.missedEndDetected.bind(metrics),
      rechecked: metrics.rechecked.bind(metrics),
      closing,
    };
  }
}

/** All that is told to the outside of what goes on inside: metrics, and traces where somebody traces. */
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
   * @param lostLines how many lines of the log were lost so far
   */
  static async start(clock: () => number, lostLines: () => number): Promise<Telemetry> {
    return new Telemetry(new Metrics(clock, lostLines), await startTracing());
  }

  measured(store: SessionStore): SessionStore {
    const { metrics } = this;
    return new MeasuredStore(store, {
      timerOf: (operation) => metrics.storeTimer(operation),
      trace: this.#trace,
    });
  }

  /** What the transport tells goes to the metrics, and what closes to the trace too. */
  get observer() {
    const { metrics } = this;
    const trace = this.#trace;
    const closing = (end: SessionMessage & { readonly type: "ended" }, connections: number) => {
      const count = metrics.closing(end);
      const note = trace?.closing(end, connections);
      return () => {
        count();
        note?.();
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

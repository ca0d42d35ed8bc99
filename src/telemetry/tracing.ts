/** Spans by OpenTelemetry: for calls to the store, and from the end of a session to the last close. */
import type * as api from "@opentelemetry/api";
import type { SessionMessage } from "../session/messages.ts";

type Api = typeof api;
type Ended = SessionMessage & { readonly type: "ended" };

export interface Trace {
  storeCall<T>(operation: string, work: () => Promise<T>): Promise<T>;
  /** @returns what is called as each of so many connections closes */
  closing(end: Ended, connections: number): () => void;
}

/**
 * Decided once: without the package, or without an SDK that was set up before the server starts, nobody
 * traces, and nothing is done for it.
 */
export async function startTracing(): Promise<Trace | undefined> {
  const otel = await load();
  if (otel === undefined) return undefined;
  const tracer = otel.trace.getTracer("curfew");
  // Without an SDK, a span is of no trace. This one is not ended, and so not told.
  if (!otel.isSpanContextValid(tracer.startSpan("curfew start").spanContext())) return undefined;
  return {
    storeCall: (operation, work) =>
      tracer.startActiveSpan(
        `curfew.store ${operation}`,
        { kind: otel.SpanKind.CLIENT, attributes: { "db.operation.name": operation } },
        async (span) => {
          try {
            return await work();
          } catch (error) {
            // Of the error no more than its name, as in the metrics: its message may quote a command.
            const name = error instanceof Error ? error.name : "Error";
            span.setAttribute("error.type", name);
            span.setStatus({ code: otel.SpanStatusCode.ERROR });
            throw error;
          } finally {
            span.end();
          }
        },
      ),
    closing: ({ reason, at }, connections) => {
      const span = tracer.startSpan("curfew.session close", {
        ...(at !== undefined && { startTime: at }),
        attributes: { "curfew.end.reason": reason, "curfew.connections": connections },
      });
      let left = connections;
      return () => {
        left -= 1;
        if (left === 0) span.end();
      };
    },
  };
}

async function load(): Promise<Api | undefined> {
  try {
    return await import("@opentelemetry/api");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

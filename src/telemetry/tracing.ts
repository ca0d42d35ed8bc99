/** OpenTelemetry spans: one for each store call, and one from a session's end to the close of its last connection. */
import type * as api from "@opentelemetry/api";
import type { SessionMessage } from "../session/messages.ts";

type Api = typeof api;
type Ended = SessionMessage & { readonly type: "ended" };

export interface Trace {
  storeCall<T>(operation: string, work: () => Promise<T>): Promise<T>;
  /**
   * Starts the span of a session's end.
   *
   * @param connections how many connections close; the span ends with the last
   * @returns a function to call as each of them closes
   */
  closing(end: Ended, connections: number): () => void;
}

/**
 * Returns the tracer, or `undefined` if `@opentelemetry/api` is not installed or no SDK was registered before the
 * server starts. Without a tracer, tracing has no cost.
 */
export async function startTracing(): Promise<Trace | undefined> {
  const otel = await load();
  if (otel === undefined) return undefined;
  const tracer = otel.trace.getTracer("curfew");
  // Without an SDK, a span's context is invalid. This span is never ended, so it is not exported.
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
            // Only the error's name: its message may quote a command.
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
      let open = connections;
      return () => {
        open -= 1;
        if (open === 0) span.end();
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

/** Correlates log lines with the request or connection that they belong to. */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

/** Fields that are added to a log line. */
export type LogContext = { readonly requestId: string } | { readonly connectionId: string };

/**
 * Node 24 propagates the context through promises and timers at about 150 ns per request. Passed as an
 * argument, it would burden each method of the session domain, and an app's resolvers would lose it.
 */
const contextStorage = new AsyncLocalStorage<LogContext | undefined>();

/** Runs the work, and everything that it starts, in that context. */
export function withLogContext<T>(context: LogContext, work: () => T): T {
  return contextStorage.run(context, work);
}

/** Runs work that is shared by several requests, and so belongs to none of them. */
export function withoutLogContext<T>(work: () => T): T {
  return contextStorage.run(undefined, work);
}

export function logContext(): LogContext | undefined {
  return contextStorage.getStore();
}

/** Too short for a token, and without characters that a terminal, a log or a header interprets. */
const wellFormed = /^[\w.:+/=@-]{1,64}$/;

/** The request id that a proxy set, if it is well formed, or else a new one. */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === "string" && wellFormed.test(header) ? header : randomUUID();
}

/** The response header with the id, which a user can quote in an error report. */
export function requestIdHeader(): Readonly<Record<string, string>> {
  const context = logContext();
  if (context === undefined) return {};
  return { "x-request-id": "requestId" in context ? context.requestId : context.connectionId };
}

/** Which request, or which socket, a line of the log comes from: known wherever it is written. */
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";

/** Fields of a line. */
export type LogContext = { readonly requestId: string } | { readonly connectionId: string };

/**
 * Node 24 carries this along with promises and timers for some 150 ns a request. Passing it by hand would
 * go through each method of the session's domain, and an app's resolvers would lose it.
 */
const storage = new AsyncLocalStorage<LogContext | undefined>();

/** Whatever the work does and begins is of that origin. */
export function withLogContext<T>(origin: LogContext, work: () => T): T {
  return storage.run(origin, work);
}

/** What is done for many is of none of them. */
export function withoutLogContext<T>(work: () => T): T {
  return storage.run(undefined, work);
}

export function logContext(): LogContext | undefined {
  return storage.getStore();
}

/** Shorter than a token, and nothing that means something to a terminal, a log or a header. */
const wellFormed = /^[\w.:+/=@-]{1,64}$/;

/** The id that a proxy before the server gave it, if it is one, or else a new one. */
export function requestIdFrom(header: string | string[] | undefined): string {
  return typeof header === "string" && wellFormed.test(header) ? header : randomUUID();
}

/** For the answer: whoever reports a fault can name it. */
export function requestIdHeader(): Readonly<Record<string, string>> {
  const origin = logContext();
  if (origin === undefined) return {};
  return { "x-request-id": "requestId" in origin ? origin.requestId : origin.connectionId };
}

/** How GraphiQL's operations reach the server: with the session's token, and streams over the socket. */
import type { Client, Sink as SocketSink } from "graphql-ws/client";
import type { Session } from "../../client/index.ts";
import { sessionFetch } from "../../client/fetch.ts";
import { SignedOut } from "../../client/graphql-ws.ts";
import type { ErrorCode } from "../../protocol/error-codes.ts";
import type { Observable, Operation, OperationContext, Settings } from "./graphiql.ts";
import { whySignedOut } from "./messages.ts";

export function createFetcher(session: Session, sockets: Client): Settings["fetcher"] {
  const request = sessionFetch(session);

  function overSocket({ query, operationName, variables }: Operation): Observable {
    return {
      subscribe(sink) {
        const unsubscribe = sockets.subscribe(
          { query, operationName: operationName ?? null, variables: variables ?? null },
          {
            next: sink.next,
            complete: sink.complete,
            error(error) {
              sink.next({ errors: toErrors(error) });
              sink.complete();
            },
          } satisfies SocketSink,
        );
        return { unsubscribe };
      },
    };
  }

  function toErrors(error: unknown): unknown {
    // What the server refuses as a whole, such as a document that is not valid, is a list already.
    if (Array.isArray(error)) return error;
    if (error instanceof SignedOut) {
      const { state } = session;
      const reason = (state.status === "signedOut" ? state.reason : undefined) ?? "MISSING";
      const message =
        reason === "MISSING" ? "Sign in first, in the Session panel." : whySignedOut(reason);
      const closed = `${error.code} ${error.reason}`;
      return [
        { message, extensions: { code: "UNAUTHENTICATED" satisfies ErrorCode, reason, closed } },
      ];
    }
    const { message = "The socket closed", code, reason } = error as Partial<SignedOut>;
    return [{ message, extensions: { code, reason } }];
  }

  async function overHttp(operation: Operation, headers: OperationContext["headers"]) {
    const given = new Headers(headers);
    given.set("content-type", "application/json");
    // Who writes a token of his own into the Headers tab means that one.
    const send = given.has("authorization") ? fetch : request;
    const response = await send(session.url, {
      method: "POST",
      headers: given,
      body: JSON.stringify(operation),
    });
    return (await response.json()) as unknown;
  }

  return (operation, context = {}) =>
    isStream(operation, context) ? overSocket(operation) : overHttp(operation, context.headers);
}

/** Subscriptions, and queries whose answers come in parts. */
function isStream({ query, operationName }: Operation, { documentAST }: OperationContext): boolean {
  const operations = documentAST?.definitions.filter(({ operation }) => operation !== undefined);
  const operation =
    operations?.find(({ name }) => name?.value === operationName) ?? operations?.[0];
  return operation?.operation === "subscription" || /@(?:defer|stream)\b/.test(query);
}

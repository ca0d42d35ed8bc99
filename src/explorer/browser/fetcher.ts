/** Sends GraphiQL's operations with the session's token: streams over the socket, everything else over HTTP. */
import type { Client, Sink as SocketSink } from "graphql-ws/client";
import type { Session } from "../../client/index.ts";
import { sessionFetch } from "../../client/fetch.ts";
import { SignedOut } from "../../client/graphql-ws.ts";
import type { ErrorCode } from "../../protocol/error-codes.ts";
import type {
  Observable,
  GraphiQLOperation,
  OperationContext,
  GraphiQLSettings,
} from "./graphiql.ts";
import { whySignedOut } from "./messages.ts";

export function createFetcher(session: Session, sockets: Client): GraphiQLSettings["fetcher"] {
  const request = sessionFetch(session);

  function overSocket({ query, operationName, variables }: GraphiQLOperation): Observable {
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
    // An operation that the server rejects as a whole, such as an invalid document, has a list of errors.
    if (Array.isArray(error)) return error;
    if (error instanceof SignedOut) {
      const { state } = session;
      const { reason = "MISSING", endReason } = state.status === "signedOut" ? state : {};
      const message =
        reason === "MISSING"
          ? "Sign in first, in the Session panel."
          : whySignedOut(reason, endReason);
      const code = "UNAUTHENTICATED" satisfies ErrorCode;
      const closed = `${error.code} ${error.reason}`;
      return [{ message, extensions: { code, reason, endReason, closed } }];
    }
    const { message = "The socket closed", code, reason } = error as Partial<SignedOut>;
    return [{ message, extensions: { code, reason } }];
  }

  async function overHttp(operation: GraphiQLOperation, headers: OperationContext["headers"]) {
    const allHeaders = new Headers(headers);
    allHeaders.set("content-type", "application/json");
    // A token in the Headers tab takes precedence over the session's token.
    const send = allHeaders.has("authorization") ? fetch : request;
    const response = await send(session.url, {
      method: "POST",
      headers: allHeaders,
      body: JSON.stringify(operation),
    });
    return (await response.json()) as unknown;
  }

  return (operation, context = {}) =>
    isStream(operation, context) ? overSocket(operation) : overHttp(operation, context.headers);
}

/** Whether the operation is a subscription, or a query with incremental delivery. */
function isStream(
  { query, operationName }: GraphiQLOperation,
  { documentAST }: OperationContext,
): boolean {
  const operations = documentAST?.definitions.filter(({ operation }) => operation !== undefined);
  const operation =
    operations?.find(({ name }) => name?.value === operationName) ?? operations?.[0];
  return operation?.operation === "subscription" || /@(?:defer|stream)\b/.test(query);
}

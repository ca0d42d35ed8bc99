import type { Client } from "graphql-ws";
import { expect } from "vitest";
import { sessionFetch } from "../../src/client/fetch.ts";
import { appClientContract, type App } from "../contract/app-client.contract.ts";
import { sessionClientContract, type SessionApp } from "../contract/session-client.contract.ts";
import { ask } from "../helpers/http.ts";
import type { AppClient } from "../helpers/subscribed-app.ts";

appClientContract(withoutFramework, {
  bySubscription: expect.objectContaining({ code: 4401, reason: "SESSION_ENDED" }),
  byRequest: {
    message: "The session has ended; sign in again.",
    path: ["endOtherSessions"],
    locations: [{ line: 1, column: 12 }],
    extensions: { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "LOGOUT" },
  },
});

sessionClientContract(
  withSession,
  expect.objectContaining({ name: "SignedOut", code: 4401, reason: "SESSION_ENDED" }),
);

function withSession({ session, sockets }: SessionApp): AppClient {
  const request = sessionFetch(session);
  return {
    async run(query, variables = {}) {
      const response = await request(session.url, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors }: any = await response.json();
      return { data, error: errors?.[0] };
    },
    subscribe: subscribeBy(sockets),
  };
}

function subscribeBy(sockets: Client): AppClient["subscribe"] {
  return (query, { event, error }) =>
    void sockets.subscribe(
      { query },
      { next: ({ data }) => event(data), error, complete: () => {} },
    );
}

function withoutFramework({ url, token, sockets }: App): AppClient {
  return {
    async run(query, variables = {}) {
      const { data, errors } = await ask(url, query, { token: token(), variables });
      return { data, error: errors?.[0] };
    },
    subscribe: subscribeBy(sockets),
  };
}

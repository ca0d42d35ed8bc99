import { expect } from "vitest";
import { appClientContract, type App, type AppClient } from "../contract/app-client.contract.ts";
import { ask } from "../helpers/http.ts";

appClientContract(withoutFramework, {
  bySubscription: expect.objectContaining({ code: 4401, reason: "SESSION_ENDED" }),
  byRequest: {
    message: "The session has ended; sign in again.",
    path: ["endOtherSessions"],
    locations: [{ line: 1, column: 12 }],
    extensions: { code: "UNAUTHENTICATED", reason: "ENDED" },
  },
});

function withoutFramework({ url, token, sockets }: App): AppClient {
  return {
    async run(query, variables = {}) {
      const { data, errors } = await ask(url, query, { token: token(), variables });
      return { data, error: errors?.[0] };
    },
    subscribe(query, { event, error }) {
      sockets.subscribe({ query }, { next: ({ data }) => event(data), error, complete: () => {} });
    },
  };
}

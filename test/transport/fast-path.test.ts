/** The fast path for plain JSON requests: its responses equal those of Yoga's adapter. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

expectNothingUnhandled();

let curfew: Awaited<ReturnType<typeof startCurfew>>;
let token: string;
beforeAll(async () => {
  const { typeDefs, resolvers } = testApp().schema;
  curfew = await startCurfew({
    typeDefs: [
      typeDefs,
      "extend type Query { adapted: Boolean! fails: String unexpected: String! echo(text: String): String }",
    ]
      .flat()
      .join("\n"),
    resolvers: {
      ...resolvers,
      Query: {
        ...(resolvers as any).Query,
        // Only the adapter adds the request to the context.
        adapted: (_: unknown, _args: unknown, { request }: { request?: Request }) =>
          request?.headers.has("accept") ?? false,
        fails: () => {
          throw new Error("a secret of the database");
        },
        unexpected: () => null,
        echo: (_: unknown, { text }: { text: string }) => text,
      },
    },
    allowedOrigins: ["https://app.example"],
  });
  ({ accessToken: token } = await register(curfew.url));
});
afterAll(async () => curfew.close());

const types = ["*/*", "application/json", "application/graphql-response+json"];
const expired = "Bearer curfew_access_nonsense";

const requests: [string, unknown, Record<string, string>?][] = [
  ["a query", { query: "{ viewer { user { email } } }" }],
  ["a query with an invalid token", { query: "{ own }" }, { authorization: expired }],
  ["a protected field without a token", { query: "{ own }" }, { authorization: "" }],
  [
    "a mutation",
    { query: 'mutation { renew(renewalToken: "x") { ... on RenewalRefused { reason } } }' },
  ],
  ["variables", { query: "query ($t: String) { echo(text: $t) }", variables: { t: "ünï\u2028" } }],
  [
    "a variable of another type",
    { query: "query ($t: String) { echo(text: $t) }", variables: { t: 1 } },
  ],
  [
    "null for optional parameters",
    { query: "{ echo }", variables: null, operationName: null, extensions: null },
  ],
  [
    "one of several operations",
    { query: "query A { echo } query B { b: echo }", operationName: "B" },
  ],
  ["several operations and no name", { query: "query A { echo } query B { b: echo }" }],
  ["an unknown operation name", { query: "query A { echo }", operationName: "B" }],
  ["an operation name of another type", { query: "query A { echo }", operationName: 1 }],
  ["a syntax error", { query: "{ viewer" }],
  ["an unknown field", { query: "{ nothing }" }],
  ["an empty query", { query: "" }],
  ["no query", {}],
  ["a query of another type", { query: 1 }],
  ["variables of another type", { query: "{ echo }", variables: [] }],
  ["extensions of another type", { query: "{ echo }", extensions: "x" }],
  ["an unknown parameter", { query: "{ echo }", more: 1 }],
  ["a batch", [{ query: "{ echo }" }]],
  ["null", null],
  ["a string", "query"],
  ["nothing", Buffer.alloc(0)],
  ["invalid JSON", Buffer.from("{ query")],
  ["invalid UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
  ["a byte order mark", Buffer.from('\ufeff{"query":"{ echo }"}')],
  ["a resolver that throws", { query: "{ echo fails }" }],
  ["null for a non-null field", { query: "{ unexpected }" }],
  [
    "a subscription among others",
    { query: "query A { echo } subscription B { said }", operationName: "A" },
  ],
  ["another origin", { query: "{ echo }" }, { origin: "https://app.example" }],
  ["an origin that is not allowed", { query: "{ echo }" }, { origin: "https://other.example" }],
  ["a body that is too large", { query: `{ echo(text: "${"x".repeat(300_000)}") }` }],
];

/** The fast path does not take requests with a query string. */
const adapterSuffix = "?";

async function answer(body: unknown, headers: Record<string, string>, suffix = "") {
  const response = await fetch(curfew.url + suffix, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}`, ...headers },
    body: body instanceof Buffer ? new Uint8Array(body) : JSON.stringify(body),
  });
  const passing = new Set([
    "date",
    "connection",
    "keep-alive",
    "content-length",
    "transfer-encoding",
    "x-request-id",
  ]);
  const lasting = [...response.headers].filter(([name]) => !passing.has(name));
  return {
    status: response.status,
    headers: Object.fromEntries(lasting),
    body: await response.text(),
  };
}

describe.each(types)(
  "with Accept: %s, the fast path and the adapter give the same response to",
  (accept) => {
    it.each(requests)("%s", async (_, body, headers) => {
      const byFastPath = await answer(body, { accept, ...headers });
      expect(byFastPath).toEqual(await answer(body, { accept, ...headers }, adapterSuffix));
    });
  },
);

const [apollo, urql] = [
  "application/graphql-response+json,application/json;q=0.9",
  "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
];

it.each([
  ["application/json", "application/json"],
  ["*/*", "application/json"],
  ["application/*", "application/json"],
  ["text/html, */*;q=0.1", "application/json"],
  ["application/json, application/graphql-response+json", "application/json"],
  [apollo, "application/graphql-response+json"],
  [urql, "application/graphql-response+json"],
])("with Accept: %s, the fast path answers in %s", async (accept, type) => {
  const { headers, body } = await answer({ query: "{ adapted }" }, { accept });
  expect(body).toContain(`{"data":{"adapted":false}}`);
  expect(headers["content-type"]).toBe(`${type}; charset=utf-8`);
});

it.each([
  ["application/json", adapterSuffix],
  ["text/event-stream", ""],
  ["text/event-stream, application/json", ""],
  ["multipart/mixed, application/json;q=0.9", ""],
  ["application/json; charset=iso-8859-1", ""],
  ["application/json;q=0.9, application/graphql-response+json", ""],
])("with Accept: %s and the URL suffix %j, the adapter answers", async (accept, suffix) => {
  const { body } = await answer({ query: "{ adapted }" }, { accept }, suffix);
  expect(body).not.toContain(`"adapted":false`);
});

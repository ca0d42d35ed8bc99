/** Plain JSON requests are answered by a shorter way: what is answered is what the longer one answers. */
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
        // The adapter hands on all headers of a request.
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
  ["a query with a token that does not serve", { query: "{ own }" }, { authorization: expired }],
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
    "null for what may be absent",
    { query: "{ echo }", variables: null, operationName: null, extensions: null },
  ],
  [
    "one of several operations",
    { query: "query A { echo } query B { b: echo }", operationName: "B" },
  ],
  ["several operations and no name", { query: "query A { echo } query B { b: echo }" }],
  ["an operation that is not there", { query: "query A { echo }", operationName: "B" }],
  ["an operation name of another type", { query: "query A { echo }", operationName: 1 }],
  ["a syntax error", { query: "{ viewer" }],
  ["a field that is not there", { query: "{ nothing }" }],
  ["an empty query", { query: "" }],
  ["no query", {}],
  ["a query of another type", { query: 1 }],
  ["variables of another type", { query: "{ echo }", variables: [] }],
  ["extensions of another type", { query: "{ echo }", extensions: "x" }],
  ["a parameter that nobody knows", { query: "{ echo }", more: 1 }],
  ["a batch", [{ query: "{ echo }" }]],
  ["null", null],
  ["a text", "query"],
  ["nothing", Buffer.alloc(0)],
  ["no JSON", Buffer.from("{ query")],
  ["bytes that are no UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
  ["a byte order mark", Buffer.from('\ufeff{"query":"{ echo }"}')],
  ["a resolver that throws", { query: "{ echo fails }" }],
  ["a field that must not be null and is", { query: "{ unexpected }" }],
  [
    "a subscription among others",
    { query: "query A { echo } subscription B { said }", operationName: "A" },
  ],
  ["another origin", { query: "{ echo }" }, { origin: "https://app.example" }],
  ["an origin that is not allowed", { query: "{ echo }" }, { origin: "https://other.example" }],
  ["a body that is too large", { query: `{ echo(text: "${"x".repeat(300_000)}") }` }],
];

/** What the type that nobody answers with adds: the shorter way does not take such a request. */
const longer = ", text/x-nothing";

async function answer(body: unknown, headers: Record<string, string>) {
  const response = await fetch(curfew.url, {
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

describe.each(types)("of one who takes %s", (accept) => {
  it.each(requests)("%s", async (_, body, headers) => {
    const shorter = await answer(body, { accept, ...headers });
    expect(shorter).toEqual(await answer(body, { accept: accept + longer, ...headers }));
  });
});

it.each([
  ["application/json", false],
  ["*/*", false],
  ["application/graphql-response+json,application/json;q=0.9", false],
  [
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
    false,
  ],
  [`application/json${longer}`, true],
  ["text/event-stream", true],
])("one who takes %s is answered by the longer way: %s", async (accept, adapted) => {
  const { body } = await answer({ query: "{ adapted }" }, { accept });
  expect(body).toContain(`{"data":{"adapted":${adapted}}}`);
});

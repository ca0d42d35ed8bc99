/** The limits of one document, over HTTP and on a socket. */
import { getIntrospectionQuery } from "graphql";
import { describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";

const app = {
  typeDefs: /* GraphQL */ `
    type Query {
      person: Person
      people: [Person!]!
      parties: [[Person]]
    }
    type Person {
      name(of: [Int]): String
      friend: Person
      friends: [Person]
    }
  `,
  resolvers: { Query: { person: () => ({}), people: () => [], parties: () => [] } },
} satisfies CurfewOptions;

interface ShownError {
  readonly code: string;
  readonly message: string;
}

/** Sends a document over HTTP and on a socket, expects equal results, and returns them. */
async function errorsOf(curfew: TestCurfew, query: string): Promise<readonly ShownError[]> {
  const response = await fetch(curfew.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json",
    },
    body: JSON.stringify({ query }),
  });
  const { errors = [] } = (await response.json()) as { errors?: any[] };
  expect(response.status).toBe(errors.length > 0 ? 400 : 200);

  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", query);
  const answer = await socket.messages.next();
  expect(answer.type).toBe(errors.length > 0 ? "error" : "next");
  if (errors.length > 0) expect(answer.payload).toEqual(errors);
  else await socket.messages.next();
  // The error concerns only that operation: the socket executes the next one.
  socket.subscribe("2", "{ __typename }");
  expect(await socket.messages.next()).toMatchObject({ id: "2", type: "next" });
  return errors.map(({ message, extensions: { code } }) => ({ code, message }));
}

/** Limits that leave room for the test's own requests. */
const limits = {
  maxQueryTokens: 60,
  maxQueryDepth: 4,
  maxQueryAliases: 2,
  maxQueryDirectives: 2,
  maxQueryCost: 121,
};

describe("a document at a limit is executed, and one over it is refused with the measure:", () => {
  it.each<[string, string, string, string]>([
    [
      "tokens",
      `{ ${"__typename ".repeat(58)}}`,
      `{ ${"__typename ".repeat(59)}}`,
      "The document has more than the 60 tokens that are allowed.",
    ],
    [
      "depth",
      "{ person { friend { friend { name } } } }",
      "{ person { friend { friend { friend { name } } } } }",
      "The operation has 5 levels of fields; at most 4 are allowed.",
    ],
    [
      "depth by fragments",
      "{ ...A } fragment A on Query { person { ...B } } fragment B on Person { friend { ... { name } } }",
      "query Deep { ...A } fragment A on Query { person { friend { ...B } } } fragment B on Person { friend { friend { name } } }",
      "The operation Deep has 5 levels of fields; at most 4 are allowed.",
    ],
    [
      "aliases",
      "{ a: __typename b: __typename }",
      "{ a: __typename b: __typename person { c: name } }",
      "The operation has 3 aliases; at most 2 are allowed.",
    ],
    [
      "aliases by fragments",
      "{ ...A ...A } fragment A on Query { a: __typename }",
      "{ ...A ...A ...A } fragment A on Query { a: __typename }",
      "The operation has 3 aliases; at most 2 are allowed.",
    ],
    [
      "directives",
      "query ($x: Boolean = true) { __typename @include(if: $x) @skip(if: false) }",
      "query ($x: Boolean = true) { __typename @include(if: $x) ... @skip(if: false) { person @include(if: $x) { name } } }",
      "The operation has 3 directives; at most 2 are allowed.",
    ],
    [
      "directives, known or not",
      "{ __typename @skip(if: true) person { name @include(if: true) } }",
      "{ __typename @no @no @no }",
      "The operation has 3 directives; at most 2 are allowed.",
    ],
    [
      "cost",
      "{ people { name friends { name } } }",
      "{ people { name friends { name friend { name } } } }",
      "The operation has 321 fields (ten times those in a list); at most 121 are allowed.",
    ],
    [
      "cost by fragments",
      "{ people { ...A } } fragment A on Person { friends { name } }",
      "{ people { ...A friend { ...A } } } fragment A on Person { friends { name } }",
      "The operation has 231 fields (ten times those in a list); at most 121 are allowed.",
    ],
    [
      "a list of lists",
      "{ parties { name } }",
      "{ parties { friends { friends { name } } } }",
      "The operation has 1111 fields (ten times those in a list); at most 121 are allowed.",
    ],
  ])("%s", async (_, within, over, message) => {
    await using curfew = await startCurfew({ ...app, ...limits });
    expect(await errorsOf(curfew, within)).toEqual([]);
    expect(await errorsOf(curfew, over)).toEqual([{ code: "QUERY_TOO_COMPLEX", message }]);
  });

  it("all exceeded limits at once", async () => {
    await using curfew = await startCurfew({ ...app, ...limits });
    const query = "{ a: people { b: friends { c: friend { d: friends { name } } } } }";
    const messages = (await errorsOf(curfew, query)).map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining("5 levels of fields"),
      expect.stringContaining("4 aliases"),
      expect.stringContaining("1211 fields"),
    ]);
  });

  it("documents nested too deeply to parse", async () => {
    await using curfew = await startCurfew({ ...app, maxQueryTokens: 1_000_000 });
    const message = "The document is nested too deeply.";
    for (const [open, close, times] of [
      ["{ person", "}", 20_000],
      ["[", "]", 100_000],
      ["[", "]", 2_500],
    ] as const) {
      const nested = open.repeat(times) + close.repeat(times);
      const query = open === "[" ? `{ person { name(of: ${nested}) } }` : nested;
      expect(await errorsOf(curfew, query)).toEqual([{ code: "QUERY_TOO_COMPLEX", message }]);
    }
  });

  it("fragments that double at each level or spread themselves, at no cost", async () => {
    await using curfew = await startCurfew(app);
    const steps = Array.from(
      { length: 200 },
      (_, i) => `fragment F${i} on Person { a: name ...F${i + 1} ... on Person { ...F${i + 1} } }`,
    );
    const doubling = `{ person { ...F0 } } ${steps.join(" ")} fragment F200 on Person { name }`;
    const messages = (await errorsOf(curfew, doubling)).map(({ message }) => message);
    expect(messages).toEqual([
      "The operation has over a billion aliases; at most 100 are allowed.",
      expect.stringContaining("over a billion fields"),
    ]);
    const cycle =
      "{ person { ...A } } fragment A on Person { friends { ...B } } fragment B on Person { friend { ...A } }";
    expect(await errorsOf(curfew, cycle)).toEqual([
      {
        code: "GRAPHQL_VALIDATION_FAILED",
        message: 'Cannot spread fragment "A" within itself via "B".',
      },
    ]);
  });
});

it("the default limits allow the longest introspection query of tools", async () => {
  await using curfew = await startCurfew({ ...app, introspection: true });
  const all = getIntrospectionQuery({
    descriptions: true,
    specifiedByUrl: true,
    directiveIsRepeatable: true,
    schemaDescription: true,
    inputValueDeprecation: true,
    oneOf: true,
  });
  expect(await errorsOf(curfew, all)).toEqual([]);
});

it("introspection is refused in production, over HTTP and on a socket", async () => {
  await using curfew = await startCurfew({ ...app, introspection: false });
  const errors = await errorsOf(curfew, "{ __schema { types { name } } }");
  expect(errors[0]?.message).toContain("introspection has been disabled");
});

it("a document with hundreds of operations over four limits has 10 errors", async () => {
  await using curfew = await startCurfew({ ...app, ...limits, maxQueryTokens: 5_000 });
  const fields = `a: no a: no a: no @no @no @no ${"people { ".repeat(5)}no${" }".repeat(5)}`;
  const operations = Array.from({ length: 500 }, (_, i) => `query A${i} { ...F }`);
  const query = `fragment F on Query { ${fields} } ${operations.join(" ")}`;
  const response = await fetch(curfew.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, operationName: "A0" }),
  });
  const { errors } = (await response.json()) as { errors: any[] };
  expect(new Set(errors.map(({ extensions }) => extensions.code))).toEqual(
    new Set(["QUERY_TOO_COMPLEX"]),
  );
  expect(errors).toHaveLength(10);
});

it("a subscription with inline fragments nested too deeply is refused without an internal error", async () => {
  await using curfew = await startCurfew({ maxQueryTokens: 100_000 });
  // Far more than any call stack allows: optimised code handles some thousands of levels.
  const depth = 12_000;
  const query = `subscription { ${"...{".repeat(depth)}sessionEvents{type}${"}".repeat(depth)} }`;
  const { accessToken } = await register(curfew.url);
  const response = await fetch(curfew.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream",
      authorization: accessToken,
    },
    body: JSON.stringify({ query }),
  });
  expect(await response.text()).toContain("QUERY_TOO_COMPLEX");
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", query);
  expect(await socket.messages.next()).toMatchObject({
    type: "error",
    payload: [{ extensions: { code: "QUERY_TOO_COMPLEX" } }],
  });
  expect(curfew.log.filter(({ level }) => Number(level) >= 40)).toEqual([]);
});

it("an HTTP body and a socket message have the same size limit", async () => {
  await using curfew = await startCurfew({ maxMessageSize: 2_048 });
  const { accessToken } = await register(curfew.url);
  const query = (length: number) => `{ __typename }${" ".repeat(length)}`;
  const send = async (length: number) => {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ query: query(length) });
    return (await fetch(curfew.url, { method: "POST", headers, body })).status;
  };
  expect(await send(1_900)).toBe(200);
  expect(await send(2_048)).toBe(413);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", query(1_900));
  expect(await socket.messages.next()).toMatchObject({ type: "next" });
  socket.subscribe("2", query(2_048));
  expect(await socket.closed).toMatchObject({ code: 1009 });
});

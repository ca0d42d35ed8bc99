/** Incremental delivery of lists: it ends with the session, like subscriptions. */
import { expect, it } from "vitest";
import { Stream } from "../../src/lib/bounded-queue.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { logout, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

/** A list that grows when the test pushes an item. Like any generator, its `return` waits for the next item. */
function streamingApp() {
  const items = new Stream<number>(() => {});
  const stopped = Promise.withResolvers<void>();
  const ticks = async function* () {
    try {
      for await (const item of items) yield item;
    } finally {
      stopped.resolve();
    }
  };
  const typeDefs = /* GraphQL */ `
    directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
    type Query {
      ticks: [Int!]! @authenticated
    }
  `;
  return { schema: { typeDefs, resolvers: { Query: { ticks } } }, items, stopped: stopped.promise };
}

it("a streamed list of a query ends at logout over HTTP", async () => {
  const app = streamingApp();
  await using curfew = await startCurfew(app.schema);
  const { accessToken: token } = await register(curfew.url);
  await using stream = await openStream(curfew.url, "{ ticks @stream }", { token });
  expect((await stream.events.next()).data).toMatchObject({ data: { ticks: [] } });
  app.items.push(1);
  expect((await stream.events.next()).data).toMatchObject({ incremental: [{ items: [1] }] });
  expect(curfew.connections.size).toBe(1);
  await logout(curfew.url, token);
  app.items.push(2);
  const extensions = { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "LOGOUT" };
  expect((await stream.events.next()).data).toMatchObject({ errors: [{ extensions }] });
  expect(await stream.events.next()).toEqual({ event: "complete", data: undefined });
  await stream.ended;
  await app.stopped;
  expect(curfew.connections.size).toBe(0);
});

it("a streamed list of a query ends at logout over a socket", async () => {
  const app = streamingApp();
  await using curfew = await startCurfew(app.schema);
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "{ ticks @stream }");
  expect((await socket.messages.next()).payload).toMatchObject({ data: { ticks: [] } });
  await logout(curfew.url, accessToken);
  app.items.push(1);
  expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  expect(JSON.stringify(socket.messages.pending)).not.toContain("items");
  await app.stopped;
});

it("shutdown does not wait for a streamed list of a query over a socket", async () => {
  const app = streamingApp();
  await using curfew = await startCurfew({ ...app.schema, drainTime: 60_000 });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "{ ticks @stream }");
  expect((await socket.messages.next()).payload).toMatchObject({ data: { ticks: [] } });
  await curfew.close();
  expect(await socket.closed).toEqual({ code: 1012, reason: "SERVICE_RESTART" });
  app.items.push(1);
  await app.stopped;
});

it("a list that starts slowly counts as a stream once it has started, and ends at shutdown", async () => {
  const app = streamingApp();
  const begun = Promise.withResolvers<void>();
  const later = { ...app.schema.resolvers.Query, slow: () => begun.promise.then(() => 1) };
  await using curfew = await startCurfew({
    typeDefs: `${app.schema.typeDefs} extend type Query { slow: Int @authenticated }`,
    resolvers: { Query: later },
    drainTime: 60_000,
  });
  const { accessToken: token } = await register(curfew.url);
  const opening = openStream(curfew.url, "{ slow ticks @stream }", { token });
  // By now it has joined its session as a slow request.
  await until(() => curfew.connections.size === 1);
  begun.resolve();
  await using stream = await opening;
  expect((await stream.events.next()).data).toMatchObject({ data: { slow: 1 } });
  await curfew.close();
  const extensions = { code: "SERVICE_RESTART" };
  expect((await stream.events.next()).data).toMatchObject({ errors: [{ extensions }] });
  app.items.push(1);
  await app.stopped;
});

it("a logout together with a streamed list is refused the list and leaves nothing running", async () => {
  const app = streamingApp();
  await using curfew = await startCurfew({
    typeDefs: `${app.schema.typeDefs} type Mutation { items: [Int!]! }`,
    resolvers: { Mutation: { items: app.schema.resolvers.Query.ticks } },
  });
  const { accessToken: token } = await register(curfew.url);
  const query = "mutation { logout { endedSessions } items @stream }";
  await using stream = await openStream(curfew.url, query, { token });
  const extensions = { code: "UNAUTHENTICATED", reason: "ENDED" };
  expect((await stream.events.next()).data).toMatchObject({ errors: [{ extensions }] });
  await stream.ended;
  app.items.push(1);
  await app.stopped;
  expect(curfew.connections.size).toBe(0);
});

/** Resolvers that fail immediately, later, and in the middle of a list. */
const failing = {
  typeDefs: /* GraphQL */ `
    directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
    directive @stream(if: Boolean! = true, label: String, initialCount: Int = 0) on FIELD
    type Query {
      thing: Thing!
      items: [Int]
    }
    type Thing {
      fine: Int
      now: Int
      later: Int
      never: Int!
    }
  `,
  resolvers: {
    Query: {
      thing: () => ({}),
      items: async function* () {
        yield 1;
        throw new Error("a secret of the app");
      },
    },
    Thing: {
      fine: () => 1,
      now: () => fail(),
      later: async () => fail(),
      never: async () => fail(),
    },
  },
};

function fail(): never {
  throw new Error("a secret of the app");
}

it.each([
  "{ thing { fine ... @defer { later } } }",
  "{ thing { fine ... @defer { never } } }",
  "{ thing { now ... @defer { fine } } }",
  "{ items @stream(initialCount: 1) }",
])("an app's errors are masked in incremental results: %s", async (query) => {
  await using curfew = await startCurfew(failing);
  const { accessToken: token } = await register(curfew.url);
  await using stream = await openStream(curfew.url, query, { token });
  await stream.ended;
  const events = stream.events.pending.filter(({ event }) => event === "next");
  const streamed = events.map(({ data }) => data);

  await using socket = await connect(curfew.socketUrl, token);
  socket.subscribe("1", query);
  await until(() => socket.messages.pending.some(({ type }) => type === "complete"));
  const messages = socket.messages.pending.filter(({ type }) => type === "next");
  const sent = messages.map(({ payload }) => payload);

  for (const parts of [streamed, sent]) {
    expect(JSON.stringify(parts)).not.toContain("a secret of the app");
    expect(JSON.stringify(parts)).toContain("Unexpected error.");
    expect(parts.map(({ hasNext }) => hasNext)).toEqual([true, false]);
  }
});

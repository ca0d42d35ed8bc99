/** Lists that arrive bit by bit: they end with their session, as subscriptions do. */
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { logout, register } from "../helpers/http.ts";
import { Queue } from "../helpers/queue.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";

/** A list that grows when the test says so. */
function streamingApp() {
  const items = new Queue<number>();
  const stopped = Promise.withResolvers<void>();
  const ticks = async function* () {
    try {
      for (;;) yield await items.next();
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

it("a list that a query streams ends at logout over HTTP", async () => {
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
  const extensions = { code: "UNAUTHENTICATED", reason: "ENDED" };
  expect((await stream.events.next()).data).toMatchObject({ errors: [{ extensions }] });
  expect(await stream.events.next()).toEqual({ event: "complete", data: undefined });
  await stream.ended;
  await app.stopped;
  expect(curfew.connections.size).toBe(0);
});

it("a list that a query streams ends at logout over a socket", async () => {
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

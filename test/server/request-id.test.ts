/** The request id: in the response, and in every log line that the request causes. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, newEmail, register, tryLogin } from "../helpers/http.ts";
import { breakable, intercept, memoryStore, memoryPubSub } from "../helpers/backends.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const json = { "content-type": "application/json" };
interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
const failing = {
  typeDefs: "type Query { fails: String }",
  resolvers: { Query: { fails: () => Promise.reject(new Error("a fault of the app")) } },
};
const whoAmI = "{ viewer { user { id } } }";

describe("a response", () => {
  const paths: readonly (readonly [string, Sent])[] = [
    ["/graphql", { method: "POST", headers: json, body: '{"query":"{ __typename }"}' }],
    ["/graphql", { method: "POST", headers: json, body: "{" }],
    ["/graphql?query={__typename}", {}],
    ["/graphql?query={__typename}", { headers: { origin: "https://elsewhere.example" } }],
    ["/health", {}],
    ["/ready", {}],
    ["/metrics", {}],
    ["/nothing", {}],
  ];

  it("has the request's id, for every path and status", async () => {
    await using curfew = await startCurfew();
    for (const [path, init] of paths) {
      const headers = { ...init.headers, "x-request-id": "b1f4:2/x@proxy" };
      const answer = await fetch(new URL(path, curfew.url), { ...init, headers });
      await answer.text();
      expect(answer.headers.get("x-request-id"), path).toBe("b1f4:2/x@proxy");
    }
  });

  it.each([undefined, "", "of two words", "<script>", "é", "x".repeat(65), "a,b"])(
    "has a new, unique id instead of %s",
    async (id) => {
      await using curfew = await startCurfew();
      const ids = new Set<string | null>();
      for (const [path, init] of paths) {
        const headers = { ...init.headers, ...(id !== undefined && { "x-request-id": id }) };
        const answer = await fetch(new URL(path, curfew.url), { ...init, headers });
        await answer.text();
        expect(answer.headers.get("x-request-id"), path).toMatch(uuid);
        ids.add(answer.headers.get("x-request-id"));
      }
      expect(ids.size).toBe(paths.length);
    },
  );
});

it("every log line of a request has its id, with many concurrent requests", async () => {
  await using curfew = await startCurfew();
  const users = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const id = `request-${index}`;
      const email = newEmail();
      const { userId } = await register(curfew.url, email, { "x-request-id": id });
      await tryLogin(curfew.url, email, "a wrong password");
      return { id, userId };
    }),
  );
  for (const { id, userId } of users) {
    const lines = curfew.log.filter((line) => line["userId"] === userId);
    const ids = lines.map(({ event, requestId }) => [event, requestId]);
    expect(ids).toEqual([
      ["registration", id],
      ["login", id],
      ["loginRefused", expect.stringMatching(uuid)],
    ]);
  }
});

it("errors of the store, of pub/sub and of an app are logged with the request's id", async () => {
  const store = breakable(memoryStore());
  const pubsub = breakable(memoryPubSub());
  await using curfew = await startCurfew({
    ...failing,
    backends: { store: store.part, pubsub: pubsub.part },
    recheckInterval: 3_600_000,
    outageGrace: 3_600_000,
  });
  const { url } = curfew;
  const { accessToken: token } = await register(url);
  const linesOf = async (id: string, query: string) => {
    const before = curfew.log.length;
    await ask(url, query, { token, headers: { "x-request-id": id } });
    return curfew.log.slice(before).map(({ msg, requestId }) => [requestId, msg]);
  };

  store.goDown();
  expect(await linesOf("one", whoAmI)).toEqual([["one", "refused"]]);
  store.comeBack();
  expect(await linesOf("two", "{ fails }")).toEqual([["two", "an operation failed"]]);
  pubsub.goDown();
  expect(await linesOf("three", "mutation { logout { endedSessions } }")).toEqual([
    ["three", "end"],
    // On the topic of the session, and on that of all ends.
    ["three", "a message to the other nodes was not sent"],
    ["three", "a message to the other nodes was not sent"],
  ]);
});

it("log lines of a socket have the id of its handshake", async () => {
  await using curfew = await startCurfew(failing);
  const { accessToken } = await register(curfew.url);
  const headers = { "x-request-id": "socket-1" };
  await using socket = await connect(curfew.socketUrl, accessToken, { headers });
  await using other = await connect(curfew.socketUrl, accessToken);
  for (const each of [socket, other]) each.subscribe("1", "{ fails }");
  await Promise.all([socket, other].map((each) => each.messages.next()));
  await using stranger = await new TestSocket(curfew.socketUrl, {
    headers: { "x-request-id": "socket-2" },
  }).opened();
  stranger.init({ token: "none" });
  await stranger.closed;

  const lines = curfew.log.filter(({ connectionId }) => connectionId !== undefined);
  expect(lines.map(({ connectionId, msg }) => [connectionId, msg])).toEqual([
    ["socket-1", "an operation failed"],
    [expect.stringMatching(uuid), "an operation failed"],
    ["socket-2", "refused"],
  ]);
});

it("a socket receives its id in the handshake", async () => {
  await using curfew = await startCurfew();
  for (const [id, expected] of [
    ["socket-3", /^socket-3$/],
    ["a b", uuid],
  ] as const) {
    const headers = { "x-request-id": id };
    const ws = new WebSocket(curfew.socketUrl, "graphql-transport-ws", { headers });
    const [response] = (await once(ws, "upgrade")) as [IncomingMessage];
    ws.terminate();
    expect(response.headers["x-request-id"]).toMatch(expected);
  }
});

it("work for many sessions is logged without a request id", async () => {
  const store = breakable(memoryStore());
  await using curfew = await startCurfew({ backends: { store: store.part }, recheckInterval: 50 });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  const isRecheck = ({ msg }: Readonly<Record<string, unknown>>) =>
    msg === "the sessions of the connections could not be rechecked";
  store.goDown();
  await until(() => curfew.log.some(isRecheck), "a recheck to fail");
  const line = curfew.log.find(isRecheck) ?? {};
  expect([line["requestId"], line["connectionId"]]).toEqual([undefined, undefined]);
  expect(socket.ws.readyState).toBe(socket.ws.OPEN);
});

it("a socket that waits for its session check keeps its own id", async () => {
  const gate = Promise.withResolvers<void>();
  const store = intercept(memoryStore(), {
    read: () => async () => {
      await gate.promise;
      throw new Error("a fault of the store");
    },
  });
  await using curfew = await startCurfew({ backends: { store } });
  const { accessToken } = await register(curfew.url);
  await using sockets = new AsyncDisposableStack();
  // More than may run at once, so the others wait in the queue.
  const crowd = Array.from({ length: 150 }, (_, index) =>
    sockets.use(
      new TestSocket(curfew.socketUrl, { headers: { "x-request-id": `socket-${index}` } }),
    ),
  );
  for (const socket of crowd) (await socket.opened()).init({ token: accessToken });
  gate.resolve();
  await Promise.all(crowd.map(({ closed }) => closed));
  const refused = curfew.log.filter(({ event }) => event === "refused");
  expect(new Set(refused.map(({ connectionId }) => connectionId)).size).toBe(150);
});

/** Two nodes as processes behind nginx, with one Redis, as an operator runs them. */
import { createClient } from "graphql-ws";
import { afterAll, beforeAll, expect, it } from "vitest";
import { newFolder, startServer, type Env } from "../helpers/command.ts";
import { ask, login, logout, newEmail, register } from "../helpers/http.ts";
import { startNginx } from "../helpers/nginx.ts";
import { Queue } from "../helpers/queue.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(async () => redis[Symbol.asyncDispose]());

const secret = "a secret of this test and of 32 bytes";
const events = "subscription { sessionEvents { type } }";

async function startNodesBehindNginx(settings: Env = {}) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await newFolder());
  const env = {
    PORT: "0",
    REDIS_URL: redis.url,
    CURFEW_SECRETS: secret,
    DATA_DIR: folder.path,
    TRUST_PROXY: "1",
    ...settings,
  };
  const first = opened.use(await startServer(env));
  const second = opened.use(await startServer(env));
  const nginx = opened.use(await startNginx([first.port, second.port]));
  const all = opened.move();
  return { first, second, nginx, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

it("through nginx, a logout closes sockets and streams on both nodes", async () => {
  await using cluster = await startNodesBehindNginx();
  const { url, socketUrl } = cluster.nginx;
  const { accessToken } = await register(url);
  await using sockets = new AsyncDisposableStack();
  // nginx distributes connections round-robin: each node gets some.
  const closed = [];
  const ended = [];
  for (let i = 0; i < 4; i += 1) {
    closed.push(sockets.use(await connect(socketUrl, accessToken)).closed);
    ended.push(sockets.use(await openStream(url, events, { token: accessToken })).ended);
  }

  expect(await logout(url, accessToken)).toBe(1);
  const close = { code: 4401, reason: "SESSION_ENDED" };
  expect(await Promise.all(closed)).toEqual([close, close, close, close]);
  await Promise.all(ended);
});

it("through nginx, a stream's events arrive at once and client addresses are correct", async () => {
  await using cluster = await startNodesBehindNginx();
  const { url } = cluster.nginx;
  const email = newEmail();
  const { accessToken: token } = await register(url, email);
  await using stream = await openStream(url, events, { token });
  await login(url, email);
  const { data } = await stream.events.next();
  expect(data.data.sessionEvents).toEqual({ type: "STARTED" });

  // nginx appends the address it sees to the right of the one that the client claims.
  const headers = { "x-forwarded-for": "203.0.113.9" };
  const answer = await ask(url, "{ viewer { session { ipAddress } } }", { token, headers });
  expect(answer.data.viewer.session.ipAddress).toBe("127.0.0.1");
});

it("through nginx, a node that shuts down fails no request and loses no subscription", async () => {
  await using cluster = await startNodesBehindNginx({ DRAIN_TIME: "4s" });
  const { url, socketUrl } = cluster.nginx;
  const email = newEmail();
  const { accessToken: token } = await register(url, email);
  const closes = new Queue<number>();
  const received = new Queue<unknown>();
  const acknowledged = new Queue<unknown>();
  await using clients = new AsyncDisposableStack();
  // One client on each node, so that one is on the node that shuts down.
  for (let i = 0; i < 2; i += 1) {
    const client = createClient({
      url: socketUrl,
      connectionParams: { token },
      retryWait: () => Promise.resolve(),
      shouldRetry: () => true,
      on: {
        connected: () => acknowledged.push(i),
        closed: (event) => closes.push((event as CloseEvent).code),
      },
    });
    clients.defer(() => client.dispose());
    const sink = { next: (event: unknown) => received.push(event), error() {}, complete() {} };
    client.subscribe({ query: events }, sink);
    await acknowledged.next();
  }

  const stopping = cluster.first.stop("SIGTERM");
  expect(await closes.next()).toBe(1012);
  const statuses = new Set<number>();
  const stopped = { done: false };
  void stopping.then(() => (stopped.done = true));
  do statuses.add((await ask(url, "{ viewer { user { id } } }", { token })).status);
  while (!stopped.done);
  expect([...statuses]).toEqual([200]);
  expect((await stopping).code).toBe(0);
  await acknowledged.next();

  // Both the resumed subscription and the other one receive the event.
  await login(url, email);
  await received.next();
  await received.next();
});

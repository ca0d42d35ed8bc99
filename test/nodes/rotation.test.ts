/** Rotation of the signing key: the nodes restart one after the other while users are signed in. */
import { createClient } from "graphql-ws";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createSocketClient } from "../../src/client/graphql-ws.ts";
import { createSession } from "../../src/client/index.ts";
import { newFolder, startServer, type Env, type ServerProcess } from "../helpers/command.ts";
import { askData, newEmail, password, register, renew } from "../helpers/http.ts";
import { allCanRenew, startLoad, registerMany } from "../helpers/load.ts";
import { startNginx } from "../helpers/nginx.ts";
import { startNodes } from "../helpers/nodes.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { freePorts } from "../helpers/redis-process.ts";
import { until } from "../helpers/until.ts";

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(async () => redis[Symbol.asyncDispose]());

const oldKey = "the key that is replaced and has 32 bytes";
const newKey = "the key that takes its place and has 32 bytes";

/** Two nodes behind nginx; each can be restarted with other secrets. */
async function startSite(settings: Env) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await newFolder());
  const ports = (await freePorts(2)).map(String);
  const common = { REDIS_URL: redis.url, DATA_DIR: folder.path, TRUST_PROXY: "1", ...settings };
  const start = (port: string, secrets: readonly string[]) =>
    startServer({ ...common, PORT: port, CURFEW_SECRETS: secrets.join() });
  const nodes: ServerProcess[] = [];
  for (const port of ports) nodes.push(await start(port, [oldKey]));
  opened.defer(async () => {
    for (const node of nodes) await node.stop("SIGKILL");
  });
  const nginx = opened.use(await startNginx(ports));
  const all = opened.move();
  return {
    nginx,
    nodes,
    /** @returns the exit code of the stopped process */
    async restart(node: 0 | 1, secrets: readonly string[]) {
      const stopped = await nodes[node]?.stop("SIGTERM");
      nodes[node] = await start(ports[node] ?? "", secrets);
      return stopped?.code;
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** A client app on `curfew/client` that records its events, close codes and faults. */
async function openApp({ url, socketUrl }: { readonly url: string; readonly socketUrl: string }) {
  const session = createSession({ url });
  const sockets = createSocketClient(createClient, session, { url: socketUrl });
  const observed = { events: 0, closes: new Set<number>(), faults: [] as unknown[] };
  sockets.on("closed", (event) => void observed.closes.add((event as CloseEvent).code));
  await session.register({ email: newEmail(), password });
  session.subscribe((state) => observed.faults.push(state));
  sockets.subscribe(
    { query: "subscription { sessionEvents { type } }" },
    {
      next: ({ errors }) => (errors ? observed.faults.push(errors) : (observed.events += 1)),
      error: (error) => observed.faults.push(error),
      complete: () => observed.faults.push("complete"),
    },
  );
  return {
    observed,
    async [Symbol.asyncDispose]() {
      session.dispose();
      await sockets.dispose();
    },
  };
}

it("replacing the signing key under load, node by node, ends no session and fails no request", async () => {
  // Clients renew in the last fifth of an access token's lifetime, which leaves two seconds; and a restart ends
  // before a renewal token expires.
  const settings = { ACCESS_TOKEN_TTL: "9s", RENEWAL_TOKEN_TTL: "30s", RENEWAL_GRACE: "8s" };
  await using site = await startSite({ ...settings, DRAIN_TIME: "2s" });
  const { url } = site.nginx;
  const load = startLoad([url], await registerMany(url, 8));
  await using clients = new AsyncDisposableStack();
  const apps = await Promise.all(Array.from({ length: 8 }, () => openApp(site.nginx)));
  for (const app of apps) clients.use(app);
  /** Resolves when every subscription has received an event after this call. */
  const allReceive = async () => {
    const before = apps.map(({ observed }) => observed.events);
    await until(
      () => apps.every(({ observed }, i) => observed.events > (before[i] ?? 0)),
      "the events",
    );
  };
  const restart = async (node: 0 | 1, secrets: readonly string[]) => {
    expect(await site.restart(node, secrets)).toBe(0);
    await allReceive();
    // nginx sends nothing to a node for some seconds after a refused connection.
    await site.nginx.uses(site.nodes[node]?.port ?? "");
  };

  await restart(0, [oldKey, newKey]);
  await restart(1, [oldKey, newKey]);
  await restart(0, [newKey, oldKey]);
  // The last tokens of the old key, for a client that stays idle.
  const idle = await register(site.nodes[1]?.url ?? "");
  await restart(1, [newKey, oldKey]);
  const lastOldExpiry = Date.parse(idle.renewalTokenExpiresAt);
  const { sessionId } = idle;
  expect(await renew(url, idle.renewalToken)).toMatchObject({ sessionId });
  await until(() => Date.now() > lastOldExpiry, "the expiry of the old tokens");
  await restart(0, [newKey]);
  await restart(1, [newKey]);

  const latest = await load.stop();
  expect(load.unexpected, site.nginx.errors()).toEqual([]);
  expect(load.counts.unavailable).toBe(0);
  expect(await allCanRenew(url, latest)).toBe(true);
  for (const { observed } of apps) {
    expect(observed.faults).toEqual([]);
    // Nodes closed their sockets on shutdown; some clients retried there once (1006). No token was refused.
    expect(observed.closes).toContain(1012);
    expect([...observed.closes].filter((code) => code !== 1012 && code !== 1006)).toEqual([]);
  }
});

it("a token signed with a new key is refused by a node that does not have the key", async () => {
  await using nodes = await startNodes(redis, { secrets: [newKey, oldKey] }, { secrets: [oldKey] });
  const { accessToken: token, renewalToken } = await register(nodes.here.url);
  const data = await askData(nodes.there.url, "{ viewer { session { id } } }", { token });
  expect(data.viewer).toBeNull();
  expect(await renew(nodes.there.url, renewalToken)).toBe("BAD_SIGNATURE");
});

/** Sessions and pub/sub in a Redis with Sentinels: the contracts and a failover. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { closeClient } from "../../src/stores/redis/client.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { sessionStoreContract } from "../../src/testing/session-store.ts";
import { pubSubContract } from "../../src/testing/pubsub.ts";
import { commandClient, probeLinks, subscriberClient } from "../helpers/adapters.ts";
import { masterName, RedisSentinels } from "../helpers/redis-sentinel.ts";
import { newSession, start } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

let redis: RedisSentinels;
expectNothingUnhandled();

beforeAll(async () => {
  redis = await RedisSentinels.start();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

const address = (name = masterName) => ({ sentinels: redis.endpoints, name });

async function openNode() {
  const publisher = await commandClient(address());
  const subscriber = await subscriberClient(address());
  const errors: unknown[] = [];
  const pubsub = new RedisPubSub({ publisher, subscriber, onError: (e) => errors.push(e) });
  const probe = await probeLinks({ commands: publisher, subscriber });
  let gaps = 0;
  pubsub.onMessagesMissed(() => gaps++);
  const close = async () => {
    probe.close();
    await pubsub.close();
    await closeClient(publisher);
  };
  const store = new RedisSessions(publisher);
  return { pubsub, store, errors, gaps: () => gaps, close, [Symbol.asyncDispose]: close };
}

sessionStoreContract("Redis with Sentinels", async () => {
  const store = new RedisSessions(await commandClient(address()));
  return { store, dispose: () => store.close() };
});

pubSubContract("Redis with Sentinels", async () => {
  const [one, two] = [await openNode(), await openNode()];
  const dispose = async () => {
    await Promise.all([one.close(), two.close()]);
  };
  return { here: one.pubsub, there: two.pubsub, errors: one.errors, dispose };
});

test("a start with an unknown master name or unreachable Sentinels fails", async () => {
  await expect(commandClient(address("another"))).rejects.toThrow(
    /^The Redis that the Sentinels at .* call another cannot be used: /,
  );
  const nowhere = { sentinels: ["redis://:hunter2@127.0.0.1:1"], name: "redis://:hunter2@m" };
  const error: unknown = await subscriberClient(nowhere).catch((reason: unknown) => reason);
  expect(String(error)).toMatch(/at 127\.0\.0\.1:1 call m cannot be used: .*nothing listens/);
  expect(String(error)).not.toContain("hunter2");
});

test("user, password and database apply to Redis, and the Sentinels have their own", async () => {
  const user = ["ACL", "SETUSER", "app", "on", ">p,w", "~*", "&*", "+@all"] as const;
  for (const each of [...redis.servers, ...redis.sentinels]) await each.command(...user);
  const client = await commandClient({
    sentinels: redis.endpoints.map((place) => `redis://app:p%2Cw@${place}`),
    name: `redis://app:p%2Cw@${masterName}/3`,
  });
  expect(await client.call("ACL", "WHOAMI")).toBe("app");
  expect(await client.call("CLIENT", "INFO")).toContain(" db=3 ");
  await closeClient(client);
  const wrong = { sentinels: redis.endpoints, name: `redis://app:no@${masterName}` };
  await expect(commandClient(wrong)).rejects.toThrow("WRONGPASS");
});

test("a failover that is announced while the master is resolved does not stop reconnecting", async () => {
  const client = await commandClient(address());
  // Simulates ioredis in that case: it emits no event to wait for here.
  const connector = Reflect.get(client, "connector") as { disconnect(): void };
  let ends = 0;
  client.on("end", () => (ends += 1)).once("connecting", () => connector.disconnect());
  client.disconnect(true);
  await until(() => ends === 1, "the end");
  await until(() => client.status === "ready", "its return");
  await closeClient(client);
  expect([ends, client.status]).toEqual([2, "end"]);
});

test("a Sentinel that is down does not matter, and nothing is printed about it", async () => {
  const [gone, other] = redis.sentinels;
  if (gone === undefined || other === undefined) throw new Error("None");
  const listeners = async () =>
    String(await other.command("CLIENT", "LIST", "TYPE", "pubsub")).split("\n").length;
  const printed = vi.spyOn(console, "error");
  await gone.kill();
  try {
    for (const open of [commandClient, subscriberClient]) {
      const before = await listeners();
      const client = await open(address());
      // All three are tried concurrently, so a refused connection takes no longer.
      await until(async () => (await listeners()) > before, "the link to another one");
      await closeClient(client);
    }
    expect(printed).not.toHaveBeenCalled();
  } finally {
    printed.mockRestore();
    await gone.restart();
    await redis.untilHealthy();
  }
});

test("after a failover, commands and messages go to the new master", async () => {
  await using node = await openNode();
  const session = newSession();
  await node.store.create(session);
  const heard: unknown[] = [];
  await node.pubsub.subscribe("topic", (message) => heard.push(message));
  const old = await redis.master();
  for (const replica of await redis.replicas()) await replica.untilInSyncWith(old);
  await redis.beginFailover();
  const master = await redis.untilFailedOver(old);

  await until(() => node.gaps() > 0, "the gap");
  await until(() => node.store.ping().then(...yesNo), "the new master");
  await until(() => node.pubsub.publish("topic", "there").then(...yesNo), "the publisher");
  await until(() => heard.includes("there"), "the message");
  expect(await node.store.read(session.fingerprint, start)).toEqual(session);
  await until(
    () => node.store.touch(session.fingerprint, start + 1).then(...yesNo),
    "an accepted write",
  );
  expect(await node.store.read(session.fingerprint, start)).toMatchObject({
    lastSeenAt: start + 1,
  });
  expect(await master.command("EXISTS", `curfew:session:{${session.fingerprint}}`)).toBe(1);
});

const yesNo = [() => true, () => false] as const;

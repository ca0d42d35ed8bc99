/** The probe of the links to one Redis server: dead and misdirected links, and stalls of the node itself. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openProbedNode } from "../helpers/probed-node.ts";
import { startProxy } from "../helpers/proxy.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

let redis: RedisServer;
let other: RedisServer;
expectNothingUnhandled();

beforeAll(async () => {
  [redis, other] = await Promise.all([startRedis(), startRedis()]);
});
afterAll(async () => {
  await Promise.all([redis[Symbol.asyncDispose](), other[Symbol.asyncDispose]()]);
});

const addressOf = ({ port }: { readonly port: number }) => `redis://127.0.0.1:${port}`;
/** Closes the connections of one kind on the server. */
const cut = (server: RedisServer, type: "normal" | "pubsub") =>
  server.command("CLIENT", "KILL", "TYPE", type);

/** Twice the bound of a dead link (ms): a busy machine. */
const bound = 2 * 4_500;

describe("an address that is switched while the old server lives", () => {
  test("moves the subscriber after the link for commands", async () => {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy));
    proxy.switchTo(other.port);
    await cut(redis, "normal");
    await node.untilBack("subscriber");
    expect(node.events).toContain(
      "subscriber lost: messages that Redis accepted did not arrive",
    );
    expect(node.subscriber.stream.remotePort).toBe(proxy.port);
    expect(await node.isHeard(bound)).toBe(true);
    expect(await other.command("PUBSUB", "NUMPAT")).toBe(0);
    expect(String(await other.command("PUBSUB", "CHANNELS"))).toContain("curfew:probe:");
    expect(node.missed()).toBeGreaterThan(1);
    await until(() => node.replacements() > 0, "the other store");
  });

  test("moves the link for commands after the subscriber", async () => {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy));
    proxy.switchTo(other.port);
    await cut(redis, "pubsub");
    await node.untilBack("commands");
    await node.untilBack("subscriber");
    expect(await node.isHeard(bound)).toBe(true);
    expect(node.replacements()).toBeGreaterThan(0);
  });

  test("is not noticed by pings alone", async () => {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy), addressOf(proxy), false);
    // Without a subscription, its connection would be of the other kind.
    await node.pubsub.subscribe("any", () => {});
    proxy.switchTo(other.port);
    await cut(redis, "normal");
    const publishes = () =>
      node.pubsub.publish("any", 1).then(
        () => true,
        () => false,
      );
    await until(publishes, "the link for commands");
    expect(await node.isHeard(bound)).toBe(false);
  });
});

describe("a half-open link", () => {
  test.each(["subscriber", "commands"] as const)("for the %s is replaced", async (dead) => {
    await using commands = await startProxy(redis.port);
    await using subscriber = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(commands), addressOf(subscriber));
    const elapsed = stopwatch();
    const proxy = { commands, subscriber }[dead];
    proxy.halfOpen();
    proxy.heal();
    await node.untilBack(dead);
    expect(elapsed()).toBeLessThan(bound);
    expect(node.events).toEqual([`${dead} lost: Redis did not answer in time`, `${dead} back`]);
    expect(node.missed()).toBeGreaterThan(0);
    expect(await node.isHeard(bound)).toBe(true);
    expect(node.replacements()).toBe(0);
  });

  test("for each of both is replaced within the same time", async () => {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy));
    const elapsed = stopwatch();
    proxy.halfOpen();
    proxy.heal();
    await Promise.all([node.untilBack("commands"), node.untilBack("subscriber")]);
    expect(elapsed()).toBeLessThan(bound);
  });
});

test("after a stall of the node's event loop, no link is replaced", async () => {
  await using node = await openProbedNode(redis.url);
  const { stream } = node.commands as typeof node.subscriber;
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  let isStalled = false;
  // The reply to the next message of the probe waits unread for longer than the time-out of a link.
  Reflect.set(stream, "write", (...args: unknown[]) => {
    const result = write(...args);
    if (!isStalled && String(args[0]).includes("curfew:probe:")) {
      isStalled = true;
      setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4_500));
    }
    return result;
  });
  await until(() => isStalled, "the stall");
  let heard = 0;
  node.subscriber.on("message", () => (heard += 1));
  await until(() => heard > 4, "more rounds of the probe");
  expect(node.events).toEqual([]);
  expect((node.commands as typeof node.subscriber).stream).toBe(stream);
});

describe("the store behind the links", () => {
  test("is another one after a restart, and the same one after a mere reconnect", async () => {
    await using node = await openProbedNode(redis.url);
    for (const kind of ["normal", "pubsub"] as const) await cut(redis, kind);
    await Promise.all([node.untilBack("commands"), node.untilBack("subscriber")]);
    // A later reading of the identity, with the same result.
    await node.commands.ping();
    await cut(redis, "normal");
    await until(() => node.events.filter((event) => event === "commands back").length === 2);
    expect(node.replacements()).toBe(0);
    await redis.restart();
    await until(() => node.replacements() > 0, "the other store");
  });

  test("counts as another one at each new link if the server does not show who it is", async () => {
    await redis.command("ACL", "SETUSER", "default", "-info");
    try {
      await using node = await openProbedNode(redis.url);
      await cut(redis, "pubsub");
      await node.untilBack("subscriber");
      expect(node.replacements()).toBe(0);
      for (const count of [1, 2]) {
        await cut(redis, "normal");
        await until(() => node.replacements() === count, "the other store");
      }
    } finally {
      await redis.command("ACL", "SETUSER", "default", "+info");
    }
  });

  test("is left once it has become a replica", async () => {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy));
    // The demoted master keeps its links; its address leads to the new one.
    proxy.switchTo(other.port);
    await redis.command("REPLICAOF", "127.0.0.1", other.port);
    try {
      await node.untilBack("commands");
      expect(await node.isHeard(bound)).toBe(true);
      expect(node.replacements()).toBeGreaterThan(0);
    } finally {
      await redis.command("REPLICAOF", "NO", "ONE");
    }
  });
});

test("a lost link reports each cause once, and its return once", async () => {
  await using node = await openProbedNode(redis.url);
  await redis.kill();
  await until(() => node.events.length === 2, "the loss of both links");
  expect(node.states).toEqual({ commands: false, subscriber: false });
  const refused = `connect ECONNREFUSED 127.0.0.1:${redis.port}`;
  let attempts = 0;
  node.commands.on("connecting", () => (attempts += 1));
  await until(() => attempts > 3, "more attempts");
  expect(node.events.toSorted()).toEqual([
    `commands lost: ${refused}`,
    `subscriber lost: ${refused}`,
  ]);
  await redis.restart();
  await until(() => node.events.length === 4, "the return of both links");
  expect(node.events.slice(2).toSorted()).toEqual(["commands back", "subscriber back"]);
  expect(node.states).toEqual({ commands: true, subscriber: true });
});

test("a changed password is named as the cause, without the password", async () => {
  await redis.command("ACL", "SETUSER", "app", "on", ">hunter2", "~*", "&*", "+@all");
  await using node = await openProbedNode(`redis://app:hunter2@127.0.0.1:${redis.port}`);
  await redis.command("ACL", "SETUSER", "app", "resetpass", ">another");
  await redis.command("CLIENT", "KILL", "USER", "app");
  const wrong = "lost: WRONGPASS invalid username-password pair or user is disabled.";
  await until(() => node.events.filter((event) => event.includes(wrong)).length === 2);
  expect(node.events).toHaveLength(2);
  expect(node.events.join()).not.toContain("hunter2");
});

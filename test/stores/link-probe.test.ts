/** The probe of the links to one Redis server: dead and misdirected links, and stalls of the node itself. */
import type { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
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
    expect(node.events).toContain("subscriber lost: messages that Redis accepted did not arrive");
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
    await until(() => node.replacements() > 0, "the other store");
  });

  test("moves both links, although both still work", async () => {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy));
    proxy.switchTo(other.port);
    await Promise.all([node.untilBack("commands"), node.untilBack("subscriber")]);
    expect(node.events).toContain("commands lost: the address leads to another server");
    await until(() => node.replacements() > 0, "the other store");
    expect(await node.isHeard(bound)).toBe(true);
    expect(String(await redis.command("PUBSUB", "CHANNELS"))).not.toContain("curfew:probe:");
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

describe("after a stall of the node's event loop, no link is replaced", () => {
  /** Longer than the time-out of a link (ms). */
  const stall = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4_500);

  async function expectNothingReplaced(stallAt: (link: Redis, begin: () => void) => void) {
    await using proxy = await startProxy(redis.port);
    await using node = await openProbedNode(addressOf(proxy));
    // Redis is far away, so that its reply is not there as soon as the stall is over.
    proxy.delay(50);
    const link = node.commands as Redis;
    const { stream } = link;
    let isStalled = false;
    let heard = 0;
    stallAt(link, () => {
      if (isStalled) return;
      isStalled = true;
      stall();
    });
    node.subscriber.on("message", () => (heard += isStalled ? 1 : 0));
    await until(() => heard > 5, "more rounds of the probe");
    expect(node.events).toEqual([]);
    expect(link.stream).toBe(stream);
  }

  test("if it began before the message was sent", () =>
    expectNothingReplaced((link, begin) => {
      const publish = link.publish.bind(link);
      vi.spyOn(link, "publish").mockImplementation((...message) => {
        // The client sends at the end of the turn, after this.
        setImmediate(begin);
        return publish(...message);
      });
    }));

  test("if it began before the reply was read", () =>
    expectNothingReplaced(({ stream }, begin) => {
      const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
      Reflect.set(stream, "write", (...args: unknown[]) => {
        const result = write(...args);
        if (String(args[0]).includes("curfew:probe:")) setImmediate(begin);
        return result;
      });
    }));
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
      await until(() => node.replacements() > 0, "the other store");
      await until(() => node.isHeard(bound).catch(() => false), "a message");
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

test("closing leaves no timer and no connection, also in the middle of an outage", async () => {
  await using own = await startRedis();
  const open = () => process.getActiveResourcesInfo().filter((name) => !name.startsWith("Pipe"));
  const connections = async () =>
    String(await own.command("CLIENT", "LIST"))
      .trim()
      .split("\n");
  const [before, alone] = [open().toSorted(), (await connections()).length];
  {
    await using node = await openProbedNode(own.url);
    expect((await connections()).length).toBe(alone + 2);
    expect(await node.isHeard(bound)).toBe(true);
  }
  await until(async () => (await connections()).length === alone, "the connections to be closed");
  {
    await using node = await openProbedNode(own.url);
    await own.kill();
    await until(() => node.events.length === 2, "the loss of both links");
  }
  await until(() => open().length <= before.length, "the timers and sockets to be gone");
});

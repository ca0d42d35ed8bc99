/** Pub/sub over Redis: the contract, and broken connections and servers. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { closeClient } from "../../src/stores/redis/client.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { pubSubContract } from "../../src/testing/pubsub.ts";
import { commandClient, probeLinks, subscriberClient } from "../helpers/adapters.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

let redis: RedisServer;
expectNothingUnhandled();

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis[Symbol.asyncDispose]();
});

/** A time-out that a test waits for (ms). */
const shortLimit = 1_000;

async function openNode(timeLimit = 30_000) {
  const publisher = await commandClient(redis.url);
  const subscriber = await subscriberClient(redis.url);
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const pubsub = new RedisPubSub({ publisher, subscriber, onError, timeLimit });
  const probe = await probeLinks({ commands: publisher, subscriber });
  let gaps = 0;
  pubsub.onMessagesMissed(() => gaps++);
  const close = async () => {
    probe.close();
    await pubsub.close();
    await closeClient(publisher);
  };
  return {
    pubsub,
    subscriber,
    probe,
    errors,
    gaps: () => gaps,
    close,
    [Symbol.asyncDispose]: close,
  };
}

pubSubContract("Redis", async () => {
  const [one, two] = [await openNode(), await openNode()];
  const dispose = async () => {
    await Promise.all([one.close(), two.close()]);
  };
  return { here: one.pubsub, there: two.pubsub, errors: one.errors, dispose };
});

const subscribers = async (topic: string) => {
  const reply = await redis.command("PUBSUB", "NUMSUB", topic);
  return Array.isArray(reply) ? Number(reply[1]) : NaN;
};
const cut = () => redis.command("CLIENT", "KILL", "TYPE", "pubsub");

test("topics joined or left in one turn are sent to Redis in one command", async () => {
  await using node = await openNode();
  const pubsub = Array.from({ length: 500 }, (_, i) => `crowd ${i}`);
  const heard: unknown[] = [];
  const calls = async (name: string) => {
    const stats = String(await redis.command("INFO", "commandstats"));
    return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1]);
  };
  // Its probe also sends SUBSCRIBE.
  node.probe.close();
  await redis.command("CONFIG", "RESETSTAT");
  const leaves = await Promise.all(
    pubsub.map((topic) => node.pubsub.subscribe(topic, (m) => heard.push(m))),
  );
  expect(await calls("subscribe")).toBe(1);
  for (const leave of leaves) leave();
  // Joined again before Redis learned that it was left.
  await node.pubsub.subscribe("crowd 0", (m) => heard.push(m));
  await until(async () => (await subscribers("crowd 1")) === 0, "the end of the others");
  expect(await calls("unsubscribe")).toBe(1);
  await node.pubsub.publish("crowd 0", "still here");
  await until(() => heard.length === 1, "the message");
});

describe("a broken connection", () => {
  test("resubscribes to all topics each time and reports missed messages", async () => {
    await using node = await openNode();
    const heard: unknown[] = [];
    const all = Array.from({ length: 2500 }, (_, i) => `topic ${i}`);
    await Promise.all(all.map((topic) => node.pubsub.subscribe(topic, (m) => heard.push(m))));
    for (const round of [1, 2]) {
      await cut();
      await until(() => node.gaps() === round, "the gap");
      heard.length = 0;
      await Promise.all(all.map((topic) => node.pubsub.publish(topic, topic)));
      await until(() => heard.length === all.length, "a message on every topic");
    }
    expect(node.gaps()).toBe(2);
  });

  test("does not lose a subscription in flight", async () => {
    await using node = await openNode();
    for (let round = 0; round < 20; round++) {
      const [heard, topic] = [[] as unknown[], `round ${round}`];
      const subscribed = node.pubsub.subscribe("early", () => {});
      const killed = cut();
      const later = node.pubsub.subscribe(topic, (message) => heard.push(message));
      const latest = killed.then(() =>
        node.pubsub.subscribe(topic, (message) => heard.push(message)),
      );
      await Promise.all([subscribed, later, latest]);
      await node.pubsub.publish(topic, round);
      await until(() => heard.length === 2 || node.gaps() > round, "the message or a gap");
    }
  });

  test("does not resubscribe to topics that were left meanwhile", async () => {
    await using node = await openNode();
    const leave = await node.pubsub.subscribe("left", () => {});
    await node.pubsub.subscribe("kept", () => {});
    node.subscriber.disconnect(true);
    await until(() => node.subscriber.status !== "ready", "the cut");
    leave();
    await until(() => node.gaps() === 1, "the gap");
    expect([await subscribers("left"), await subscribers("kept")]).toEqual([0, 1]);
  });

  test("makes a new subscriber of a known topic wait for the reconnect", async () => {
    await using node = await openNode();
    await node.pubsub.subscribe("known", () => {});
    await redis.kill();
    await until(() => node.subscriber.status !== "ready", "the cut");
    let heard = 0;
    const subscribed = node.pubsub.subscribe("known", () => heard++);
    await redis.restart();
    await subscribed;
    expect(await subscribers("known")).toBe(1);
    await until(() => node.pubsub.publish("known", 1).then(yes, no), "the publisher");
    await until(() => heard > 0, "the message");
  });
});

describe("a Redis that is", () => {
  afterEach(() => redis.restart());

  test("down refuses subscribers within the time-out and publishers at once, and leaves nothing behind", async () => {
    await using node = await openNode(shortLimit);
    await redis.kill();
    const attempts = Array.from({ length: 50 }, () => node.pubsub.subscribe("down", () => {}));
    for (const attempt of await Promise.allSettled(attempts)) {
      expect(attempt).toMatchObject({ reason: { name: "StoreUnavailable" } });
    }
    await expect(node.pubsub.publish("down", 1)).rejects.toBeInstanceOf(StoreUnavailable);
    await redis.restart();
    await until(() => node.gaps() === 1, "the gap");
    expect(await subscribers("down")).toBe(0);
    await node.pubsub.subscribe("down", () => {});
    expect(await subscribers("down")).toBe(1);
  });

  test("frozen refuses subscribers within the time-out, and its late acknowledgement has no effect", async () => {
    await using node = await openNode(shortLimit);
    await node.pubsub.subscribe("before", () => {});
    redis.freeze();
    await expect(node.pubsub.subscribe("late", () => {})).rejects.toBeInstanceOf(StoreUnavailable);
    redis.thaw();
    await node.pubsub.subscribe("after", () => {});
    expect(await subscribers("late")).toBe(0);
    expect(node.gaps()).toBe(0);
  });

  test("frozen for long is detected without any command", async () => {
    await using node = await openNode();
    await node.pubsub.subscribe("probed", () => {});
    redis.freeze();
    const elapsed = stopwatch();
    await until(() => node.subscriber.status !== "ready", "the probe to notice");
    expect(elapsed()).toBeLessThan(5000);
    redis.thaw();
    await until(() => node.gaps() > 0, "the gap");
    expect(await subscribers("probed")).toBe(1);
  });

  test("refusing a channel makes subscribe reject with the reason", async () => {
    await using node = await openNode();
    await redis.command("ACL", "SETUSER", "default", "resetchannels");
    await expect(node.pubsub.subscribe("secret", () => {})).rejects.toMatchObject({
      name: "StoreUnavailable",
      cause: { message: expect.stringContaining("NOPERM") as unknown },
    });
    expect(node.errors).toHaveLength(1);
  });

  test("down does not affect unsubscribing", async () => {
    await using node = await openNode();
    const leaves = await Promise.all(
      [1, 2, 3].map((i) => node.pubsub.subscribe(`gone ${i}`, () => {})),
    );
    await redis.kill();
    for (const leave of leaves) leave();
    await until(() => node.subscriber.status !== "ready", "the cut");
    await node.close();
    for (const leave of leaves) leave();
  });
});

test("the channel is unsubscribed when its last listener leaves, and not before", async () => {
  await using node = await openNode();
  const [one, two] = [
    await node.pubsub.subscribe("counted", () => {}),
    await node.pubsub.subscribe("counted", () => {}),
  ];
  one();
  await node.pubsub.subscribe("other", () => {});
  expect(await subscribers("counted")).toBe(1);
  two();
  await node.pubsub.subscribe("another", () => {});
  expect(await subscribers("counted")).toBe(0);
});

test("closing rejects a subscription in flight at once", async () => {
  const node = await openNode(600_000);
  await redis.kill();
  await until(() => node.subscriber.status !== "ready", "the cut");
  const subscribed = expect(node.pubsub.subscribe("given up", () => {})).rejects.toBeInstanceOf(
    StoreUnavailable,
  );
  await new Promise(setImmediate);
  await node.close();
  await subscribed;
  await redis.restart();
});

test("a message that is not JSON arrives as text", async () => {
  await using node = await openNode();
  const heard: unknown[] = [];
  await node.pubsub.subscribe("odd", (message) => heard.push(message));
  await redis.command("PUBLISH", "odd", "{not json");
  await redis.command("PUBLISH", "odd", "");
  await node.pubsub.publish("odd", { json: true });
  await until(() => heard.length === 3, "all three");
  expect(heard).toEqual(["{not json", "", { json: true }]);
});

test("a throwing listener of missed messages stops no other, and a removed one is not called", async () => {
  await using node = await openNode();
  const fault = new Error("A listener's");
  let wrong = 0;
  node.pubsub.onMessagesMissed(() => {
    throw fault;
  });
  node.pubsub.onMessagesMissed(() => wrong++)();
  let told = 0;
  node.pubsub.onMessagesMissed(() => told++);
  await node.pubsub.subscribe("a", () => {});
  await cut();
  await until(() => told === 1, "the gap");
  expect([node.errors, wrong]).toEqual([[fault], 0]);
});

const yes = () => true;
const no = () => false;

/** How ends reach the other nodes, and nodes that start or have missed messages. */
import { describe, expect, test } from "vitest";
import { EndChannel } from "../../src/session/end-channel.ts";
import { RecentEnds, type SessionEnd } from "../../src/session/ends.ts";
import { endsTopic, endsTopicOf } from "../../src/session/messages.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { breakable, countSubscriptions, intercept } from "../helpers/backends.ts";
import { fakeClock } from "../helpers/curfew.ts";
import { minute, rethrow } from "../helpers/domain.ts";
import { until } from "../helpers/until.ts";

function newEnd(at: number, fingerprint: string = crypto.randomUUID()): SessionEnd {
  return { fingerprint, reason: "LOGOUT", at };
}

/** The pauses of the channel (ms), with a `random` of one half. */
const [beforeOffer, afterOffer, forOffer, beforeQuestion] = [50, 100, 200, 125];

/** Nodes on one pub/sub, which is between nodes, as far as they know. */
function startNodes() {
  const clock = fakeClock();
  const memory = new MemoryPubSub(rethrow);
  const network = intercept<PubSub>(memory, { ping: () => async () => {} });
  const messages: { readonly topic: string; readonly message: unknown }[] = [];
  const heard = (topic: string) => messages.filter((one) => one.topic === topic);

  const nodes: { isPaused(time: number): boolean; resume(time: number): Promise<void> }[] = [];

  function node(nodeId: string, pubsub: PubSub = network, capacity = 10_000) {
    const ends = new RecentEnds({ window: 60 * minute, capacity, uptime: clock });
    const learned: SessionEnd[] = [];
    const errors: string[] = [];
    const pauses: { readonly milliseconds: number; readonly end: () => void }[] = [];
    const channel = new EndChannel({
      ends,
      nodeId,
      clock,
      uptime: clock,
      random: () => 0.5,
      // The test lets each pause end.
      pause: (milliseconds) =>
        new Promise((resolve) => pauses.push({ milliseconds, end: resolve })),
      pubsub: intercept(pubsub, {
        publish: (real) => async (topic, message) => {
          messages.push({ topic, message });
          return real(topic, message);
        },
      }),
      reportError: (what) => errors.push(what),
      onEnd: (end) => learned.push(end),
    });
    const isPaused = (milliseconds: number) =>
      pauses.some((pause) => pause.milliseconds === milliseconds);
    /** Ends the pauses of that many milliseconds, of which one has begun or begins soon. */
    const resume = async (milliseconds: number) => {
      await until(() => isPaused(milliseconds), `a pause of ${milliseconds} ms`);
      for (const pause of pauses.filter((one) => one.milliseconds === milliseconds)) {
        pauses.splice(pauses.indexOf(pause), 1);
        pause.end();
      }
      await new Promise(setImmediate);
    };
    const publish = (end: SessionEnd) => pubsub.publish(endsTopic, { type: "ended", ...end });
    const one = { ends, learned, errors, channel, resume, publish, isPaused };
    nodes.push(one);
    return one;
  }
  /** Opens a node that no other one answers, because none knows an end. */
  const open = async ({ channel, resume }: ReturnType<typeof node>) => {
    const opening = channel.open();
    await resume(forOffer);
    await opening;
    for (const one of nodes) if (one.isPaused(beforeOffer)) await one.resume(beforeOffer);
  };
  return { clock, memory, network, node, open, heard, messages };
}

const offersOf = (messages: readonly { readonly message: unknown }[]) =>
  messages
    .map(({ message }) => message as { readonly type?: string; readonly by?: string })
    .filter(({ type }) => type === "endsOffered")
    .map(({ by }) => by);

describe("the channel of ends", () => {
  test("brings an end to all nodes, each of which carries it out once", async () => {
    const { node, open } = startNodes();
    const [here, there] = [node("a"), node("b")];
    await Promise.all([open(here), open(there)]);
    const end = newEnd(1);
    await here.publish(end);
    await here.publish({ ...end, reason: "RENEWAL_REUSED" });
    await until(() => there.learned.length > 0, "the end");
    for (const one of [here, there]) {
      expect(one.learned).toMatchObject([end]);
      expect(one.ends.get(end.fingerprint)).toMatchObject(end);
    }
  });

  test("ignores messages that it does not understand", async () => {
    const { node, open, network } = startNodes();
    const one = node("a");
    await open(one);
    const { learned } = one;
    const end = newEnd(1);
    for (const message of [
      null,
      "ended",
      { ...end },
      { type: "ended", ...end, reason: "LATER" },
      { type: "ended", ...end, at: "now" },
      { type: "ended", ...end, fingerprint: 5 },
      { type: "endsRequested", by: "b", within: -0.5 },
      { type: "endsOffered", to: "a", listening: 5 },
      { type: "later" },
    ])
      await network.publish(endsTopic, message);
    const reply = { ends: [null, { ...end, reason: "LATER" }, end], isLast: "no" };
    await network.publish(endsTopicOf("a"), reply);
    await network.publish(endsTopicOf("a"), { ends: 5 });
    await until(() => learned.length > 0, "the end");
    expect(learned).toMatchObject([end]);
  });

  test("that cannot be subscribed is reported once and tried again, with nothing left behind meanwhile", async () => {
    const { node, network } = startNodes();
    const counted = countSubscriptions(network, () => true);
    let attempts = 0;
    const refusing = intercept<PubSub>(counted.part, {
      subscribe: (real) => async (topic, listener) => {
        // Only one of the two topics is refused, three times.
        if (topic === endsTopic && ++attempts <= 3) throw new StoreUnavailable("For a test");
        return real(topic, listener);
      },
    });
    const { channel, resume, errors, publish, learned } = node("a", refusing);
    await channel.open();
    expect(counted.subscriptions).toBe(0);
    // Half of 250, 500 and 1,000 ms, and half of that again.
    for (const milliseconds of [187.5, 375, 750]) await resume(milliseconds);
    await until(() => counted.subscriptions === 2, "the subscriptions");
    expect(errors).toEqual(["the channel of ended sessions is not subscribed yet"]);
    await publish(newEnd(1));
    await until(() => learned.length === 1, "the end");
    channel.close();
    expect(counted.subscriptions).toBe(0);
  });

  test("that is closed during an attempt to subscribe leaves no subscription", async () => {
    const { node, network } = startNodes();
    const counted = countSubscriptions(network, () => true);
    const { part, goDown, comeBack } = breakable(counted.part);
    const { channel, resume } = node("a", part);
    goDown();
    await channel.open();
    comeBack();
    channel.close();
    await resume(187.5);
    expect(counted.subscriptions).toBe(0);
  });

  test("of a single process publishes no request", async () => {
    const { node, memory, messages } = startNodes();
    const { channel } = node("a", memory);
    await channel.open();
    memory.reportMissedMessages();
    await new Promise(setImmediate);
    expect(messages).toEqual([]);
  });
});

describe("a node that starts", () => {
  test("takes over the ends from the node that has listened longest, and only from that", async () => {
    const { clock, node, open, heard } = startNodes();
    const [oldest, old, young] = [node("a"), node("b"), node("c")];
    for (const one of [oldest, old, young]) {
      await open(one);
      clock.advance(minute);
    }
    // More than two messages have.
    const known = Array.from({ length: 1_200 }, (_, i) => newEnd(clock() - i));
    for (const end of known) oldest.ends.add(end);
    for (const one of [old, young]) one.ends.add(newEnd(clock()));
    const starting = node("d");
    const opening = starting.channel.open();
    // The youngest offers first, and the oldest last.
    for (const one of [young, old, oldest]) await one.resume(beforeOffer);
    expect(offersOf(heard(endsTopic))).toEqual(["c", "b", "a"]);
    for (const one of [young, old, oldest]) await one.resume(afterOffer);
    await opening;
    expect(starting.learned).toHaveLength(1_200);
    expect(starting.ends.newestFirst()).toHaveLength(1_200);
    expect(heard(endsTopicOf("d"))).toHaveLength(3);
  });

  test("forgets the oldest of the ends that it took over first", async () => {
    const { clock, node, open, network } = startNodes();
    const known = node("a");
    await open(known);
    const [oldest, ...later] = Array.from({ length: 600 }, (_, i) => newEnd(clock() + i));
    if (oldest === undefined) throw new Error("None");
    for (const end of [oldest, ...later]) known.ends.add(end);
    const starting = node("b", network, 600);
    const opening = starting.channel.open();
    await known.resume(beforeOffer);
    await known.resume(afterOffer);
    await opening;
    const latest = newEnd(clock() + 600);
    await known.publish(latest);
    await until(() => starting.ends.get(latest.fingerprint) !== undefined, "the end");
    expect(starting.ends.newestFirst()).toMatchObject([...later, latest].toReversed());
    expect(starting.ends.get(oldest.fingerprint)).toBeUndefined();
  });

  test("gets one offer if the node that has listened longest offers first", async () => {
    const { clock, node, open, heard } = startNodes();
    const [oldest, old, young] = [node("a"), node("b"), node("c")];
    for (const one of [oldest, old, young]) {
      await open(one);
      clock.advance(minute);
    }
    for (const one of [oldest, old, young]) one.ends.add(newEnd(clock()));
    const starting = node("d");
    const opening = starting.channel.open();
    for (const one of [oldest, old, young]) await one.resume(beforeOffer);
    await oldest.resume(afterOffer);
    await opening;
    expect(offersOf(heard(endsTopic))).toEqual(["a"]);
    expect([old, young].some((one) => one.isPaused(afterOffer))).toBe(false);
    expect(starting.learned).toHaveLength(1);
    expect(oldest.ends.newestFirst()).toMatchObject(starting.learned);
  });

  test("gets one answer from nodes that have listened equally long", async () => {
    const { clock, node, open, heard } = startNodes();
    const nodes = ["a", "b", "c"].map((id) => node(id));
    for (const one of nodes) await open(one);
    for (const one of nodes) one.ends.add(newEnd(clock()));
    const starting = node("d");
    const opening = starting.channel.open();
    for (const one of nodes) await one.resume(beforeOffer);
    for (const one of nodes) await one.resume(afterOffer);
    await opening;
    expect(starting.learned).toHaveLength(1);
    expect(heard(endsTopicOf("d"))).toHaveLength(1);
  });

  test("gets the answer of a younger node if the oldest knows no end", async () => {
    const { clock, node, open } = startNodes();
    const [oldest, young] = [node("a"), node("b")];
    for (const one of [oldest, young]) {
      await open(one);
      clock.advance(minute);
    }
    const end = newEnd(clock());
    young.ends.add(end);
    const starting = node("c");
    const opening = starting.channel.open();
    for (const one of [oldest, young]) await one.resume(beforeOffer);
    await young.resume(afterOffer);
    await opening;
    expect(starting.learned).toMatchObject([end]);
  });

  test("starts without an answer if no other node knows an end", async () => {
    const { node, open } = startNodes();
    await open(node("a"));
    const starting = node("b");
    await open(starting);
    expect(starting.learned).toEqual([]);
    expect(starting.errors).toEqual([]);
  });

  test("starts without an answer if its question cannot be sent", async () => {
    const { node, network } = startNodes();
    const cut = intercept<PubSub>(network, {
      publish: () => async () => {
        throw new StoreUnavailable("For a test");
      },
    });
    const starting = node("a", cut);
    await starting.channel.open();
    expect(starting.errors).toEqual(["ended sessions were not passed on between nodes"]);
  });
});

describe("a node that may have missed messages", () => {
  test("asks for the ends of the last minutes, and a node without the gap answers", async () => {
    const { clock, node, open, network } = startNodes();
    const gaps = new MemoryPubSub(rethrow);
    const withGaps = intercept<PubSub>(network, {
      onMessagesMissed: () => gaps.onMessagesMissed.bind(gaps),
    });
    const [asking, alsoCut, whole] = [node("a", withGaps), node("b", withGaps), node("c")];
    for (const one of [asking, alsoCut, whole]) {
      await open(one);
      clock.advance(minute);
    }
    const [old, recent] = [newEnd(clock() - 6 * minute), newEnd(clock() - 4 * minute)];
    for (const end of [old, recent]) whole.ends.add(end);
    // It has listened longer, but not since the gap.
    alsoCut.ends.add(newEnd(clock()));
    gaps.reportMissedMessages();
    clock.advance(1_000);
    await asking.resume(beforeQuestion);
    await alsoCut.resume(beforeOffer);
    await whole.resume(beforeOffer);
    for (const one of [alsoCut, whole]) await one.resume(afterOffer);
    await until(() => asking.learned.length > 0, "the answer");
    expect(asking.learned).toMatchObject([recent]);
  });

  test("asks nothing once it is closed", async () => {
    const { node, open, memory, heard } = startNodes();
    const one = node("a");
    await open(one);
    const before = heard(endsTopic).length;
    memory.reportMissedMessages();
    one.channel.close();
    await one.resume(beforeQuestion);
    expect(heard(endsTopic)).toHaveLength(before);
  });
});

test("an end that cannot be carried out is reported, and remembered all the same", async () => {
  const { clock, network } = startNodes();
  const errors: string[] = [];
  const ends = new RecentEnds({ window: minute, capacity: 10, uptime: clock });
  const channel = new EndChannel({
    ends,
    pubsub: network,
    nodeId: "a",
    clock,
    uptime: clock,
    random: () => 0,
    pause: async () => {},
    reportError: (what) => errors.push(what),
    onEnd: () => {
      throw new Error("For a test");
    },
  });
  await channel.open();
  const end = newEnd(clock());
  await network.publish(endsTopic, { type: "ended", ...end });
  await until(() => errors.length > 0, "the error");
  expect(errors).toEqual(["the end of a session was not carried out"]);
  expect(ends.get(end.fingerprint)).toMatchObject(end);
});

/** The messages about a session in a Redis Cluster: their order, and slots that are moved. */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { channelNames } from "../../src/stores/redis/channel-names.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { commandClient } from "../helpers/adapters.ts";
import { RedisCluster } from "../helpers/redis-cluster.ts";
import { newSession, renewIn, start } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";

let cluster: RedisCluster;
/** One listener on each node of the cluster, and the messages that it received by channel. */
let listeners: { readonly client: Redis; readonly heard: Map<string, string[]> }[] = [];
beforeAll(async () => {
  cluster = await RedisCluster.start();
});
afterAll(() => cluster[Symbol.asyncDispose]());
beforeEach(async () => {
  listeners = cluster.nodes.map(({ port }) => ({ client: new Redis(port), heard: new Map() }));
  for (const { client, heard } of listeners) {
    client.on("pmessage", (_, channel: string, text: string) => {
      const { type, session } = JSON.parse(text) as {
        type: string;
        session?: { generation: number };
      };
      heard.set(channel, [...(heard.get(channel) ?? []), `${type} ${session?.generation ?? ""}`]);
    });
    await client.psubscribe("curfew:*");
  }
});
afterEach(() => {
  for (const { client } of listeners) client.disconnect();
});

async function openStore() {
  const store = new RedisSessions(await commandClient({ nodes: cluster.endpoints }, 30_000), {
    channelOf: channelNames(),
  });
  return Object.assign(store, { [Symbol.asyncDispose]: () => store.close() });
}

const isHeard = (channel: string, count: number) => () =>
  listeners.every(({ heard }) => heard.get(channel)?.length === count);

describe("messages about a session", () => {
  test("arrive on every node of the cluster in the order of the changes, whichever nodes make them", async () => {
    await using here = await openStore();
    await using there = await openStore();
    const generations = [0, 1, 2, 3, 4, 5, 6, 7];
    const sessions = Array.from({ length: 40 }, () => newSession());
    const changeAll = async ({ fingerprint }: (typeof sessions)[number]) => {
      for (const generation of generations) {
        const store = generation % 2 === 0 ? here : there;
        await renewIn(store, fingerprint, generation, start);
      }
      await here.end(fingerprint, start, { reason: "LOGOUT" });
    };
    await Promise.all(sessions.map((session) => there.create(session)));
    await Promise.all(sessions.map(changeAll));
    await until(isHeard("curfew:ends", sessions.length), "the ends");
    const expected = [...generations.map((generation) => `renewed ${generation + 1}`), "ended 8"];
    for (const { fingerprint } of sessions) {
      const channel = `curfew:session:${fingerprint}`;
      await until(isHeard(channel, expected.length), "the messages");
      for (const { heard } of listeners) expect(heard.get(channel)).toEqual(expected);
    }
  });

  test("are published once by the node that has the record while its slot is moved", async () => {
    await using store = await openStore();
    const session = newSession();
    const { fingerprint } = session;
    await store.create(session);
    const slot = await cluster.slotOf(`curfew:session:{${fingerprint}}`);
    const source = await cluster.masterOf(slot);
    const target = cluster.nodes.slice(0, 3).find((node) => node !== source);
    if (target === undefined) throw new Error("None");
    let published = 0;
    const onPublished = () => void (published += 1);
    await cluster.beginMove(slot, source, target);
    await renewIn(store, fingerprint, 0, start);
    await cluster.moveKeys(slot, source, target);
    await renewIn(store, fingerprint, 1, start);
    expect(await store.end(fingerprint, start, { reason: "LOGOUT", onPublished })).toBeDefined();
    expect(await store.endReason(fingerprint)).toBe("LOGOUT");
    await cluster.endMove(slot, source, target);
    expect(await store.endReason(fingerprint)).toBe("LOGOUT");
    expect(published).toBe(1);
    const channel = `curfew:session:${fingerprint}`;
    await until(isHeard(channel, 3), "the messages");
    for (const { heard } of listeners)
      expect(heard.get(channel)?.toSorted()).toEqual(["ended 2", "renewed 1", "renewed 2"]);
    await until(isHeard("curfew:ends", 1), "the end");
  });
});

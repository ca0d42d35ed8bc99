/** Records in Redis that a later version wrote: what this version does not know stays, and what it cannot read is unknown. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sessionTopic } from "../../src/session/messages.ts";
import type { Session } from "../../src/session/session.ts";
import { closeClient } from "../../src/stores/redis/client.ts";
import { RedisPubSub } from "../../src/stores/redis/pubsub.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { commandClient, subscriberClient } from "../helpers/adapters.ts";
import { rethrow, startDomain } from "../helpers/domain.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { lifetimes, liveReading, network, newSession, start } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";

let redis: RedisServer;
let store: RedisSessions;
beforeAll(async () => {
  redis = await startRedis();
  store = new RedisSessions(await commandClient(redis.url, 30_000));
});
afterAll(async () => {
  await store.close();
  await redis[Symbol.asyncDispose]();
});

const keyOf = ({ fingerprint }: Session) => `curfew:session:{${fingerprint}}`;
const indexOf = ({ userId }: Session) => `curfew:user:{${userId}}`;
const textOf = async (session: Session) => String(await redis.command("GET", keyOf(session)));

/** Replaces the record of a session, and keeps its time to live. */
async function write(session: Session, text: string): Promise<void> {
  await redis.command("SET", keyOf(session), text, "KEEPTTL");
}

const foreignNetwork = "203.0.113.0/24";

/** Every change of a record: each resolves to the outcome, and the record then shows it. */
const changes = {
  "a renewal": async (session: Session) => {
    const request = { generation: 0, generationAtRead: 0, network };
    expect(await store.renew(session.fingerprint, request, lifetimes, start + 1)).toMatchObject({
      outcome: "rotated",
      session: { generation: 1, renewedAt: start + 1 },
    });
    return { generation: 1, renewedAt: start + 1 };
  },
  "a foreign replay": async (session: Session) => {
    const request = { generation: 0, generationAtRead: 0, network };
    await store.renew(session.fingerprint, request, lifetimes, start + 1);
    const replay = { generation: 0, generationAtRead: 1, network: foreignNetwork };
    expect(await store.renew(session.fingerprint, replay, lifetimes, start + 2)).toMatchObject({
      outcome: "foreignReplay",
      session: { foreignReplays: 1, foreignReplayGeneration: 1 },
    });
    return { generation: 1, foreignReplays: 1, foreignReplayGeneration: 1 };
  },
  "a reissue": async (session: Session) => {
    const request = { atLeast: 0, network };
    expect(await store.reissue(session.fingerprint, request, lifetimes, start + 1)).toMatchObject({
      generation: 1,
      minGeneration: 1,
    });
    return { generation: 1, minGeneration: 1 };
  },
  "a use": async (session: Session) => {
    await store.touch(session.fingerprint, start + 1);
    return { lastSeenAt: start + 1 };
  },
} satisfies Record<string, (session: Session) => Promise<Partial<Session>>>;

/** Members that a later version may add, as the text of a record has them. */
const unknownMembers = [
  `"future":[]`,
  `"future":{}`,
  `"future":{"a":{}}`,
  `"future":[[],{},[{}]]`,
  `"future":null`,
  `"future":false`,
  `"future":12345678901234567890`,
  `"future":-0.1234567890123456789`,
  `"future":1.50`,
  `"future":1e400`,
  `"future":{"generation":7,"lastSeenAt":7,"minGeneration":7}`,
  `"future":[{"idleExpiresAt":1}]`,
  `"future":"\\"generation\\":1,\\"lastSeenAt\\":1"`,
  `"future":"\\\\\\"generation\\":1"`,
  `"fu\\"generation\\":1ture":"}"`,
  `"future":"{\\"generation\\":[}"`,
  `"future":"\\ud83d\\ude42 \\u00e9 \\/ \\u0000"`,
  `"future":"é 🙂 %1 %d $1"`,
  `"generations":7`,
  `"xgeneration":7`,
] as const;

/** Where the unknown members stand in the record. */
const places = {
  first: (text: string, member: string) => `{${member},${text.slice(1)}`,
  last: (text: string, member: string) => `${text.slice(0, -1)},${member}}`,
  between: (text: string, member: string) => text.replace(`,"userId"`, `,${member},"userId"`),
} as const;

describe.each(Object.entries(changes))("%s", (_, change) => {
  describe.each(Object.entries(places))(
    "of a record with an unknown member %s",
    (_place, insert) => {
      test.each(unknownMembers)("keeps its bytes: %s", async (member) => {
        const session = newSession();
        await store.create(session);
        const before = insert(await textOf(session), member);
        await write(session, before);
        const changed = await change(session);
        const after = await textOf(session);
        expect(after).toContain(member);
        // The record without the member is that of the changed session, and each member stands there once.
        const known = await store.read(session.fingerprint, start + 2);
        expect(known).toMatchObject({ userId: session.userId, ...changed });
        for (const name of Object.keys(session))
          expect(after.replace(member, "").split(`"${name}":`)).toHaveLength(2);
        expect(await redis.command("PEXPIRETIME", keyOf(session))).toBe(known?.idleExpiresAt);
      });
    },
  );
});

/** Records that this version cannot read, made from the text of a session's record. */
const unreadable: Readonly<Record<string, (text: string) => string>> = {
  "no JSON": () => "v2:AAECAwQ=",
  "half of a record": (text) => text.slice(0, text.length / 2),
  "no text at all": () => "",
  "another JSON value": () => "[]",
  null: () => "null",
  "no generation": (text) => text.replace(`"generation":0,`, ""),
  "no idleExpiresAt": (text) => text.replace(/"idleExpiresAt":\d+,/, ""),
  "a nested idleExpiresAt only": (text) =>
    text.replace(/"idleExpiresAt":(\d+)/, `"later":{"idleExpiresAt":$1}`),
  "an object for a user id": (text) => text.replace(/"userId":"[^"]+"/, `"userId":{"id":"ada"}`),
  "text for a time": (text) => text.replace(/"idleExpiresAt":\d+/, `"idleExpiresAt":"soon"`),
  "null for a generation": (text) => text.replace(`"generation":0`, `"generation":null`),
  "a list for networks": (text) => text.replace(/"networks":"[^"]*"/, `"networks":["a"]`),
  "text for a security version": (text) =>
    text.replace(/"securityVersion":\d+/, `"securityVersion":"0"`),
};

describe.each(Object.entries(unreadable))(
  "a record that this version cannot read: %s",
  (_, toText) => {
    async function createUnreadable() {
      const session = newSession();
      await store.create(session);
      const text = toText(await textOf(session));
      await write(session, text);
      return { session, text };
    }

    test("is unknown to every read, and absent from none", async () => {
      const { session } = await createUnreadable();
      const whole = newSession(session.userId, start + 1);
      await store.create(whole);
      const { fingerprint, userId } = session;
      const unavailable = { name: "StoreUnavailable" };
      await expect(store.read(fingerprint, start)).rejects.toMatchObject(unavailable);
      expect(await store.readMany([fingerprint, whole.fingerprint, "none"], start)).toMatchObject([
        { state: "unknown", cause: unavailable },
        liveReading(whole),
        { state: "absent" },
      ]);
      expect(await store.listByUser(userId, start)).toEqual([whole]);
      const members = await redis.command("ZRANGE", indexOf(session), 0, -1);
      expect(members).toContain(fingerprint);
    });

    test("is changed by no renewal and no reissue", async () => {
      const { session, text } = await createUnreadable();
      const { fingerprint } = session;
      const unavailable = { name: "StoreUnavailable" };
      const request = { generation: 0, generationAtRead: 0, network };
      await expect(store.renew(fingerprint, request, lifetimes, start)).rejects.toMatchObject(
        unavailable,
      );
      const reissue = { atLeast: 0, network };
      await expect(store.reissue(fingerprint, reissue, lifetimes, start)).rejects.toMatchObject(
        unavailable,
      );
      expect(await textOf(session)).toBe(text);
    });

    test("is replaced by the reason of an end, and the other nodes receive a message about it", async () => {
      const { session } = await createUnreadable();
      const { fingerprint } = session;
      const publisher = await commandClient(redis.url, 30_000);
      const subscriber = await subscriberClient(redis.url);
      await using opened = new AsyncDisposableStack();
      opened.defer(() => closeClient(publisher));
      const pubsub = opened.adopt(
        new RedisPubSub({ publisher, subscriber, onError: rethrow }),
        (it) => it.close(),
      );
      const received: unknown[] = [];
      await pubsub.subscribe(sessionTopic(fingerprint), (message) => received.push(message));
      const { sessions } = startDomain({ store, pubsub, clock: () => start });
      await sessions.end(fingerprint, "LOGOUT");
      await until(() => received.length > 0, "the message");
      expect(received[0]).toMatchObject({ fingerprint });
      expect(await store.readMany([fingerprint], start)).toEqual([{ state: "absent" }]);
      expect(await store.endReason(fingerprint)).toBe("LOGOUT");
    });
  },
);

/** The contract suite of session stores. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { beginSession, type Session } from "../session/session.ts";
import type { SessionStore } from "../session/store.ts";
import { reissueContract } from "./reissue.ts";
import { scanContract } from "./scan.ts";
import {
  device,
  distinctSession,
  lifetimes,
  liveReading,
  network,
  newSession,
  renewIn,
  start,
} from "./samples.ts";

/** Tolerance (ms): some stores measure the grace period by their own clock, which is later than the caller's. */
const clockTolerance = 3_000;
const near = (time: number) => expect.closeTo(time, -Math.log10(2 * clockTolerance)) as number;

export interface MadeStore {
  readonly store: SessionStore;
  readonly dispose: () => Promise<void>;
}

export function sessionStoreContract(name: string, makeStore: () => Promise<MadeStore>): void {
  describe(`${name} as a session store`, () => {
    let made: MadeStore;
    let store: SessionStore;

    beforeAll(async () => {
      made = await makeStore();
      store = made.store;
    });
    afterAll(() => made.dispose());

    async function begin(userId?: string, now = start): Promise<Session> {
      const session = newSession(userId, now);
      await store.create(session);
      return session;
    }

    const renew = ({ fingerprint }: Session, generation: number, now: number) =>
      renewIn(store, fingerprint, generation, now);

    test("returns every field of a created session", async () => {
      for (const session of [newSession(), distinctSession()]) {
        await store.create(session);
        expect(await store.read(session.fingerprint, start)).toStrictEqual(session);
      }
    });

    test("stores an unknown user agent as null and an empty address as empty text", async () => {
      const of = { userAgent: null, ipAddress: "" };
      const session = beginSession(crypto.randomUUID(), crypto.randomUUID(), of, lifetimes, start);
      await store.create(session);
      expect(await store.read(session.fingerprint, start)).toStrictEqual(session);
    });

    test("returns nothing for an unknown fingerprint", async () => {
      const unknown = crypto.randomUUID();
      expect(await store.read(unknown, start)).toBeUndefined();
      expect(await store.end(unknown, start)).toBeUndefined();
      expect(await store.listByUser(unknown, start)).toEqual([]);
      expect(await renewIn(store, unknown, 0, start)).toEqual({ outcome: "absent" });
    });

    test("readMany returns results in the order of the fingerprints, with absent ones in their places", async () => {
      const [one, two] = [await begin(), await begin()];
      const fingerprints = [two.fingerprint, "none", one.fingerprint];
      expect(await store.readMany(fingerprints, start)).toEqual([
        liveReading(two),
        { state: "absent" },
        liveReading(one),
      ]);
      expect(await store.readMany([], start)).toEqual([]);
    });

    test("lists only the user's sessions, newest first", async () => {
      const userId = crypto.randomUUID();
      const older = await begin(userId, start);
      const newer = await begin(userId, start + 1);
      await begin();
      expect(await store.listByUser(userId, start + 1)).toEqual([newer, older]);
    });

    test("ending one session leaves the user's other session live", async () => {
      const userId = crypto.randomUUID();
      const [ended, other] = [await begin(userId), await begin(userId)];
      expect(await store.end(ended.fingerprint, start)).toEqual(ended);
      expect(await store.read(ended.fingerprint, start)).toBeUndefined();
      expect(await store.read(other.fingerprint, start)).toEqual(other);
      expect(await store.listByUser(userId, start)).toEqual([other]);
    });

    test("ends a session once when many callers end it concurrently", async () => {
      const { fingerprint } = await begin();
      const ends = Array.from({ length: 20 }, () => store.end(fingerprint, start));
      expect((await Promise.all(ends)).filter(Boolean)).toHaveLength(1);
    });

    test("an expired session is absent for every method, and a renewed one is not", async () => {
      const userId = crypto.randomUUID();
      const idle = await begin(userId);
      const renewed = await begin(userId);
      await renew(renewed, 0, start + 1);
      const expiry = idle.idleExpiresAt;
      expect(await store.read(idle.fingerprint, expiry - 1)).toEqual(idle);
      expect(await store.read(idle.fingerprint, expiry)).toBeUndefined();
      expect(await store.readMany([idle.fingerprint], expiry)).toEqual([{ state: "absent" }]);
      expect(await renew(idle, 0, expiry)).toEqual({ outcome: "absent" });
      expect(await store.listByUser(userId, expiry)).toMatchObject([
        { fingerprint: renewed.fingerprint },
      ]);
      expect(await store.end(idle.fingerprint, expiry)).toBeUndefined();
    });

    test("a renewal moves the session to the next generation and keeps its other fields", async () => {
      const session = await begin();
      const now = start + 5_000;
      const rotated = {
        ...session,
        generation: 1,
        renewedAt: now,
        lastSeenAt: now,
        accessExpiresAt: now + lifetimes.access,
        idleExpiresAt: now + lifetimes.renewal,
        graceEndsAt: near(now + lifetimes.grace),
      };
      expect(await renew(session, 0, now)).toEqual({ outcome: "rotated", session: rotated });
      expect(await store.read(session.fingerprint, now)).toEqual(rotated);
      expect(await store.listByUser(session.userId, now)).toEqual([rotated]);
    });

    test("records the last eight networks of a session's renewals, latest first", async () => {
      const session = await begin();
      const { fingerprint } = session;
      const names = Array.from({ length: 9 }, (_, i) => `198.51.${i}.0/24`);
      for (const [generation, from] of [...names, "198.51.3.0/24"].entries())
        await store.renew(
          fingerprint,
          { generation, generationAtRead: generation, network: from },
          lifetimes,
          start,
        );
      const latest = names.filter((known) => known !== "198.51.3.0/24").toReversed();
      expect(await store.read(fingerprint, start)).toMatchObject({
        networks: ["198.51.3.0/24", ...latest].slice(0, 8).join(" "),
      });
    });

    test("of 50 concurrent renewals one rotates the session, and the others get the same session", async () => {
      const session = await begin();
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, () => renew(session, 0, start + 1)),
      );
      expect(outcomes.filter(({ outcome }) => outcome === "rotated")).toHaveLength(1);
      expect(outcomes.filter(({ outcome }) => outcome === "replayed")).toHaveLength(49);
      const rotated = await store.read(session.fingerprint, start + 1);
      expect(outcomes.map((renewal) => "session" in renewal && renewal.session)).toEqual(
        Array.from({ length: 50 }, () => rotated),
      );
    });

    test("a replay returns the current session within the grace period, and is reuse afterwards", async () => {
      const session = await begin();
      await renew(session, 0, start);
      const current = await store.read(session.fingerprint, start);
      const graceEnd = start + lifetimes.grace;
      const replayed = { outcome: "replayed", session: current };
      expect(await renew(session, 0, graceEnd - clockTolerance)).toEqual(replayed);
      const reused = { outcome: "reused", session: current };
      expect(await renew(session, 0, graceEnd + clockTolerance)).toEqual(reused);
      // The outcome changes nothing: the caller ends the session.
      expect(await store.read(session.fingerprint, graceEnd + clockTolerance)).toEqual(current);
    });

    test("a token two generations old is reuse, even within the grace period", async () => {
      const session = await begin();
      await renew(session, 0, start);
      await renew(session, 1, start);
      expect(await renew(session, 0, start + 1)).toMatchObject({ outcome: "reused" });
    });

    test("a renewal that was read before concurrent renewals is a replay, however late and by any clock", async () => {
      const session = await begin();
      const { fingerprint } = session;
      await renew(session, 0, start);
      for (const generation of [1, 2, 3]) await renew(session, generation, start + 5_000);
      const current = await store.read(fingerprint, start);
      for (const now of [start - 60_000, start + lifetimes.grace + 60_000]) {
        const late = (generation: number, generationAtRead: number) =>
          store.renew(fingerprint, { generation, generationAtRead, network }, lifetimes, now);
        // The token was good at the read, as the current or the previous one.
        for (const [generation, generationAtRead] of [
          [0, 0],
          [0, 1],
          [1, 1],
          [2, 3],
        ] as const)
          expect(await late(generation, generationAtRead)).toEqual({
            outcome: "replayed",
            session: current,
          });
        // The token was used up at the read, whatever is renewed concurrently.
        expect(await late(0, 2)).toMatchObject({ outcome: "reused" });
        expect(await late(1, 3)).toMatchObject({ outcome: "reused" });
      }
      expect(await store.read(fingerprint, start)).toEqual(current);
    });

    test("a token ahead of the store rotates past its generation, because the store has lost a renewal", async () => {
      const session = await begin();
      expect(await renew(session, 7, start)).toMatchObject({
        outcome: "rotated",
        session: { generation: 8 },
      });
    });

    test("no renewal extends a session past its absolute expiry", async () => {
      const session = await begin();
      const end = session.absoluteExpiresAt;
      let generation = 0;
      for (let now = start; now < end; now += lifetimes.renewal - 1) {
        await renew(session, generation++, now);
      }
      const last = await renew(session, generation, end - 1);
      expect(last).toMatchObject({ session: { accessExpiresAt: end, idleExpiresAt: end } });
      expect(await store.read(session.fingerprint, end)).toBeUndefined();
      expect(await renew(session, generation + 1, end)).toEqual({ outcome: "absent" });
      expect(await store.listByUser(session.userId, end)).toEqual([]);
    });

    reissueContract(() => store);
    scanContract(() => store);

    test("touch changes only lastSeenAt", async () => {
      const session = await begin();
      await store.touch(session.fingerprint, start + 1);
      const touched = { ...session, lastSeenAt: start + 1 };
      expect(await store.read(session.fingerprint, start + 1)).toEqual(touched);
    });

    test("a touch or a renewal does not restore an ended session", async () => {
      const session = await begin();
      await store.end(session.fingerprint, start);
      await store.touch(session.fingerprint, start);
      expect(await renew(session, 0, start)).toEqual({ outcome: "absent" });
      expect(await store.read(session.fingerprint, start)).toBeUndefined();
      await store.touch("never", start);
      expect(await store.read("never", start)).toBeUndefined();
    });

    test("a session stays ended when its end races with renewals and touches", async () => {
      const session = await begin();
      const renewals = Array.from({ length: 20 }, async (_, i) => {
        if (i === 10) await store.end(session.fingerprint, start);
        await store.touch(session.fingerprint, start);
        return renew(session, 0, start);
      });
      await Promise.all(renewals);
      expect(await store.read(session.fingerprint, start)).toBeUndefined();
      expect(await store.listByUser(session.userId, start)).toEqual([]);
    });

    test("stores text of any characters unchanged", async () => {
      const userAgent = "Mozilla/5.0 (\"quoted\"; 'too') \u{1F512}\r\n{}$1\0";
      const odd = { ...device, userAgent };
      const session = beginSession(crypto.randomUUID(), "a {user}", odd, lifetimes, start);
      await store.create(session);
      expect(await store.read(session.fingerprint, start)).toEqual(session);
      expect(await store.listByUser("a {user}", start)).toEqual([session]);
    });

    test("ping resolves", async () => {
      await expect(store.ping()).resolves.toBeUndefined();
    });
  });
}

/** The replay of ends to a store that may have lost them. */
import { describe, expect, test } from "vitest";
import type { AuditFact } from "../../src/session/audit.ts";
import { EndReplay, type EndReplayOptions } from "../../src/session/end-replay.ts";
import { RecentEnds, type SessionEnd } from "../../src/session/ends.ts";
import { endsTopic } from "../../src/session/messages.ts";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { breakable, intercept, memoryStore } from "../helpers/backends.ts";
import { minute, startDomain } from "../helpers/domain.ts";
import { newSession } from "../helpers/sessions.ts";
import { until } from "../helpers/until.ts";

/** Stores of which one answers at a time: `replace` puts an empty one in place, as after a total loss. */
function startReplay(overrides: Partial<EndReplayOptions> = {}) {
  let current: SessionStore = memoryStore();
  const listeners = new Set<() => void>();
  const calls: string[] = [];
  const broken = breakable<SessionStore>(
    new Proxy(current, {
      get: (_, name) => {
        const value: unknown = Reflect.get(current, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): unknown => {
          calls.push(String(name));
          return value.apply(current, args);
        };
      },
    }),
  );
  const store = Object.assign(
    intercept<SessionStore>(broken.part, {
      onReplaced: () => (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    }),
  );
  const pauses: (() => void)[] = [];
  const lost: number[] = [];
  const audit: AuditFact[] = [];
  const ended: string[] = [];
  const ends = new RecentEnds({
    window: 60 * minute,
    capacity: 100_000,
    uptime: () => performance.now(),
  });
  const domain = startDomain({
    store,
    ends,
    // By the clock of the sample sessions.
    clock: Date.now,
    audit: (fact) => audit.push(fact),
  });
  const replay = new EndReplay({
    ends,
    store,
    clock: Date.now,
    random: () => 0.5,
    pause: () => new Promise((resolve) => pauses.push(resolve)),
    endAgain: async (end) => {
      ended.push(end.fingerprint);
      return domain.sessions.endAgain(end);
    },
    onReplay: (count) => lost.push(count),
    ...overrides,
  });
  return {
    ...broken,
    replay,
    ends,
    domain,
    audit,
    lost,
    ended,
    calls,
    listeners,
    /** Sessions in the store whose end is remembered, in the order of their ends. */
    restore: async (count: number): Promise<SessionEnd[]> => {
      const known: SessionEnd[] = [];
      for (let i = 0; i < count; i += 1) {
        const session = newSession("ada", Date.now());
        await current.create(session);
        known.push({ fingerprint: session.fingerprint, reason: "LOGOUT", at: i });
      }
      for (const end of known) ends.add(end);
      return known;
    },
    isLive: async ({ fingerprint }: SessionEnd) =>
      (await current.read(fingerprint, Date.now())) !== undefined,
    announce: () => {
      for (const listener of listeners) listener();
    },
    /** Another store, which has these sessions. */
    useStore: (next: SessionStore) => void (current = next),
    resume: async () => {
      await until(() => pauses.length > 0, "the pause");
      pauses.shift()?.();
    },
    isPaused: () => pauses.length > 0,
    replayed: () => lost.reduce((sum, count) => sum + count, 0),
  };
}

describe("a replay", () => {
  test("ends again what the store has, newest first, and leaves the rest alone", async () => {
    const { restore, announce, resume, ends, ended, lost, audit, isLive, domain } = startReplay();
    const messages: unknown[] = [];
    await domain.pubsub.subscribe(endsTopic, (message) => messages.push(message));
    const other = newSession("ada", Date.now());
    await domain.store.create(other);
    const [first, second] = await restore(2);
    if (first === undefined || second === undefined) throw new Error("None");
    ends.add({ fingerprint: "unknown to the store", reason: "LOGOUT", at: 9 });
    const localChanges = domain.localChanges.length;
    announce();
    await resume();
    await until(() => lost.length > 0, "the replay");
    expect(ended).toEqual([second.fingerprint, first.fingerprint]);
    expect(lost).toEqual([2]);
    expect([await isLive(first), await isLive(second)]).toEqual([false, false]);
    expect(await domain.store.read(other.fingerprint, Date.now())).toEqual(other);
    expect(audit).toEqual(
      [second, first].map(({ fingerprint }) => ({
        event: "endReplayed",
        userId: "ada",
        fingerprint,
        reason: "LOGOUT",
      })),
    );
    expect(domain.localChanges.slice(localChanges)).toMatchObject([
      { type: "ended", fingerprint: second.fingerprint },
      { type: "ended", fingerprint: first.fingerprint },
    ]);
    await until(() => messages.length === 2, "the messages to the other nodes");
  });

  test("by several nodes ends each session once, and audits it once", async () => {
    const { restore, domain, audit } = startReplay();
    const [end] = await restore(1);
    if (end === undefined) throw new Error("None");
    const replays = [1, 2, 3].map(() => domain.sessions.endAgain(end));
    expect((await Promise.all(replays)).toSorted()).toEqual([false, false, true]);
    expect(audit).toHaveLength(1);
  });

  test("is repeated until the store has confirmed each end, with longer and longer pauses", async () => {
    const times: number[] = [];
    const resumes: (() => void)[] = [];
    const { restore, announce, goDown, comeBack, isLive, lost } = startReplay({
      pause: (milliseconds) => {
        times.push(milliseconds);
        return new Promise((resolve) => resumes.push(resolve));
      },
    });
    const resume = async () => {
      await until(() => resumes.length > 0, "the pause");
      resumes.shift()?.();
    };
    const [end] = await restore(1);
    if (end === undefined) throw new Error("None");
    goDown();
    announce();
    for (let i = 0; i < 8; i += 1) await resume();
    expect(await isLive(end)).toBe(true);
    await until(() => times.length === 9, "the pause");
    comeBack();
    await resume();
    await until(async () => !(await isLive(end)), "the end");
    expect(times).toEqual([125, 187.5, 375, 750, 1_500, 3_000, 3_750, 3_750, 3_750]);
    expect(lost.at(-1)).toBe(1);
  });

  test("repeats only the ends that the store did not confirm", async () => {
    const tries: string[] = [];
    const { restore, announce, resume, isLive, domain } = startReplay({
      endAgain: async (end) => {
        tries.push(end.fingerprint);
        if (end.fingerprint === older?.fingerprint && tries.length === 2)
          throw new StoreUnavailable("For a test");
        return domain.sessions.endAgain(end);
      },
    });
    const [older, newer] = await restore(2);
    if (older === undefined || newer === undefined) throw new Error("None");
    announce();
    await resume();
    await resume();
    await until(async () => !(await isLive(older)), "the end");
    expect(tries).toEqual([newer.fingerprint, older.fingerprint, older.fingerprint]);
  });

  test("begins again with all ends if the store is replaced meanwhile", async () => {
    const { restore, announce, resume, ended, useStore, isLive, lost, isPaused } = startReplay();
    const [end] = await restore(1);
    if (end === undefined) throw new Error("None");
    announce();
    await resume();
    await until(() => lost.length === 1, "the first replay");
    // It is over, and the same session comes back in a third store.
    const restored = memoryStore();
    await restored.create({ ...newSession("ada", Date.now()), fingerprint: end.fingerprint });
    useStore(restored);
    announce();
    announce();
    await until(isPaused, "the second replay");
    announce();
    await resume();
    await until(() => lost.length === 2, "the second replay");
    expect(await isLive(end)).toBe(false);
    expect(ended).toEqual([end.fingerprint, end.fingerprint]);
  });

  test("that is interrupted by another replacement ends in the last store what it has", async () => {
    const { restore, announce, resume, goDown, comeBack, useStore, isLive, lost } = startReplay();
    const [end] = await restore(1);
    if (end === undefined) throw new Error("None");
    goDown();
    announce();
    await resume();
    await until(() => lost.length === 1, "an attempt");
    const next = memoryStore();
    await next.create({ ...newSession("ada", Date.now()), fingerprint: end.fingerprint });
    useStore(next);
    comeBack();
    announce();
    await resume();
    await until(async () => !(await isLive(end)), "the end");
  });

  test("that is interrupted by another replacement keeps ends that the node has forgotten meanwhile", async () => {
    let uptime = 0;
    const ends = new RecentEnds({ window: minute, capacity: 10, uptime: () => uptime });
    const { domain, announce, resume, goDown, comeBack, lost, isLive } = startReplay({ ends });
    const session = newSession("ada", Date.now());
    await domain.store.create(session);
    const end = { fingerprint: session.fingerprint, reason: "LOGOUT", at: 0 } as const;
    ends.add(end);
    goDown();
    announce();
    await resume();
    await until(() => lost.length === 1, "an attempt");
    uptime = 2 * minute;
    expect(ends.size).toBe(0);
    comeBack();
    announce();
    await resume();
    await until(async () => !(await isLive(end)), "the end");
  });

  test("of 20,000 ends reads and ends in batches, between which the event loop runs", async () => {
    const { ends, announce, resume, calls, lost, restore, replayed } = startReplay();
    await restore(300);
    for (let i = 0; i < 20_000; i += 1)
      ends.add({ fingerprint: `absent ${i}`, reason: "LOGOUT", at: 0 });
    announce();
    await resume();
    let turns = 0;
    const count = setInterval(() => (turns += 1), 0);
    await until(() => lost.length === 41, "the replay", 60_000);
    clearInterval(count);
    expect(calls.filter((name) => name === "readMany")).toHaveLength(41);
    expect(calls.filter((name) => name === "end")).toHaveLength(300);
    expect(replayed()).toBe(300);
    expect(turns).toBeGreaterThan(5);
  });

  test("stops when the node closes, and none begins afterwards", async () => {
    const { restore, announce, resume, replay, listeners, ended, goDown, lost } = startReplay();
    await restore(1);
    goDown();
    announce();
    await resume();
    await until(() => lost.length === 1, "an attempt");
    replay.close();
    await resume();
    await new Promise(setImmediate);
    expect(listeners.size).toBe(0);
    expect(ended).toHaveLength(1);
    expect(lost).toHaveLength(1);
  });

  test("never happens with a store that nothing replaces", async () => {
    const ends = new RecentEnds({ window: minute, capacity: 1, uptime: () => 0 });
    const { random, pause } = { random: () => 0, pause: async () => {} };
    const endAgain = async () => true;
    const store = { readMany: async () => [] };
    new EndReplay({ ends, store, endAgain, clock: Date.now, random, pause }).close();
  });
});

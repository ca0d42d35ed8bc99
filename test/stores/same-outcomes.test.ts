/** All stores agree with the domain's rules, and so with each other, for random operations. */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  countForeignReplay,
  decideRenewal,
  reissueSession,
  rotateSession,
  type ReissueRequest,
  type RenewalRequest,
} from "../../src/session/renewal-rules.ts";
import { isLive, type Session } from "../../src/session/session.ts";
import type { RenewalOutcome, SessionStore } from "../../src/session/store.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { commandClient, openDatabase } from "../helpers/adapters.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { lifetimes, newSession, start } from "../helpers/sessions.ts";

type Subject = Pick<
  SessionStore,
  "create" | "read" | "renew" | "reissue" | "touch" | "end" | "listByUser"
>;

/** The reference store: the domain's rules and a Map. */
class Model implements Subject {
  readonly #sessions = new Map<string, Session>();

  async create(session: Session) {
    this.#sessions.set(session.fingerprint, session);
  }
  async read(fingerprint: string, now: number) {
    const session = this.#sessions.get(fingerprint);
    return session && isLive(session, now) ? session : undefined;
  }
  async renew(
    fingerprint: string,
    request: RenewalRequest,
    lifecycle: typeof lifetimes,
    now: number,
  ): Promise<RenewalOutcome> {
    const session = await this.read(fingerprint, now);
    if (session === undefined) return { outcome: "absent" };
    const verdict = decideRenewal(session, request, now);
    if (verdict === "replay") return { outcome: "replayed", session };
    if (verdict === "foreignReplay") {
      const counted = countForeignReplay(session);
      this.#sessions.set(fingerprint, counted);
      return { outcome: "foreignReplay", session: counted };
    }
    if (verdict === "reuse") return { outcome: "reused", session };
    if (verdict === "superseded") return { outcome: "superseded", session };
    const stepped = rotateSession(session, request, lifecycle, now);
    this.#sessions.set(fingerprint, stepped);
    return { outcome: "rotated", session: stepped };
  }
  async reissue(
    fingerprint: string,
    request: ReissueRequest,
    lifecycle: typeof lifetimes,
    now: number,
  ): Promise<Session | undefined> {
    const session = await this.read(fingerprint, now);
    if (session === undefined) return undefined;
    const reissued = reissueSession(session, request, lifecycle, now);
    this.#sessions.set(fingerprint, reissued);
    return reissued;
  }
  async touch(fingerprint: string, now: number) {
    const session = await this.read(fingerprint, now);
    if (session) this.#sessions.set(fingerprint, { ...session, lastSeenAt: now });
  }
  async end(fingerprint: string, now: number) {
    const session = await this.read(fingerprint, now);
    this.#sessions.delete(fingerprint);
    return session;
  }
  async listByUser(userId: string, now: number) {
    return [...this.#sessions.values()].filter(
      (session) => session.userId === userId && isLive(session, now),
    );
  }
}

/** Redis measures the grace period by its own clock: outside this tolerance it agrees with the others (ms). */
const moment = 4_000;

/** More networks than a session records. */
const networks = Array.from({ length: 10 }, (_, i) => `198.51.${i}.0/24`);

const steps = fc.array(
  fc.record({
    what: fc.oneof(
      { weight: 2, arbitrary: fc.constantFrom("create", "touch", "end", "wait", "reissue") },
      { weight: 1, arbitrary: fc.constant("renew") },
      // As an owner and a thief who follows do.
      { weight: 4, arbitrary: fc.constantFrom("renewCurrent", "replay") },
    ),
    which: fc.nat({ max: 2 }),
    generation: fc.nat({ max: 5 }),
    generationAtRead: fc.nat({ max: 5 }),
    where: fc.oneof(fc.nat({ max: 10 }), fc.constant(0)),
    followingEnds: fc.boolean(),
    wait: fc.constantFrom(
      1,
      lifetimes.grace - moment,
      lifetimes.grace + moment,
      lifetimes.access,
      lifetimes.renewal - 1,
      lifetimes.renewal,
      lifetimes.absolute - 1,
    ),
  }),
  { minLength: 1, maxLength: 40, size: "max" },
);

let redis: RedisServer;
const model = new Model();
const subjects: Subject[] = [model];
const disposals = new AsyncDisposableStack();

beforeAll(async () => {
  redis = disposals.use(await startRedis());
  const sessions = new RedisSessions(await commandClient(redis.url, 5000));
  disposals.defer(() => sessions.close());
  const database = disposals.use(openDatabase(":memory:"));
  subjects.push(new SqliteSessions(database), sessions);
});
afterAll(() => disposals.disposeAsync());

test("every store has the outcomes of the domain's rules, step by step", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const userId = crypto.randomUUID();
      const fingerprints: string[] = [];
      let now = start;
      for (const {
        what,
        which,
        generation,
        generationAtRead,
        wait,
        where,
        followingEnds,
      } of script) {
        const fingerprint = fingerprints[which] ?? "none";
        const network = networks[where] ?? "unknown";
        const current = (await model.read(fingerprint, now))?.generation ?? 0;
        const requests: Record<string, RenewalRequest> = {
          renew: {
            generation,
            generationAtRead: generationAtRead,
            network,
            foreignReplaysEnd: followingEnds,
          },
          renewCurrent: {
            generation: current,
            generationAtRead: current,
            network,
            foreignReplaysEnd: followingEnds,
          },
          replay: {
            generation: current - 1,
            generationAtRead: current,
            network,
            foreignReplaysEnd: followingEnds,
          },
        };
        const request = requests[what];
        const reissue = { atLeast: generation, network };
        const fresh = newSession(userId, now);
        if (what === "wait") now += wait;
        if (what === "create") fingerprints[which] = fresh.fingerprint;
        const outcomes = await Promise.all(
          subjects.map(async (subject) => [
            what === "create" && (await subject.create(fresh)),
            request && (await subject.renew(fingerprint, request, lifetimes, now)),
            what === "reissue" && (await subject.reissue(fingerprint, reissue, lifetimes, now)),
            what === "touch" && (await subject.touch(fingerprint, now)),
            what === "end" && (await subject.end(fingerprint, now)),
            await subject.read(fingerprint, now),
            (await subject.listByUser(userId, now)).toSorted(byFingerprint),
          ]),
        );
        for (const part of outcomes[0] ?? []) note(part);
        expect(outcomes[1]).toStrictEqual(outcomes[0]);
        expect(outcomes[2]).toStrictEqual(outcomes[0]?.map(apartFromItsClock));
      }
    }),
    { numRuns: 200 },
  );
  expect([...occurred].toSorted()).toEqual([
    "absent",
    "foreignReplay",
    "replayed",
    "reused",
    "rotated",
    "superseded",
  ]);
});

/** The outcomes of renewals that occurred: all of them must. */
const occurred = new Set<unknown>();

function note(part: unknown): void {
  if (typeof part === "object" && part !== null && "outcome" in part) occurred.add(part.outcome);
}

/** The outcome of a step, or the session after it, as a store with its own clock returns it. */
function apartFromItsClock(outcome: unknown): unknown {
  if (Array.isArray(outcome)) return outcome.map(apartFromItsClock);
  if (typeof outcome !== "object" || outcome === null) return outcome;
  return Object.fromEntries(
    Object.entries(outcome).map(([name, value]: [string, unknown]) => [
      name,
      name === "graceEndsAt"
        ? expect.closeTo(Number(value), -Math.log10(2 * moment))
        : apartFromItsClock(value),
    ]),
  );
}

function byFingerprint(a: Session, b: Session): number {
  return a.fingerprint < b.fingerprint ? -1 : 1;
}

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideRenewal, rotateSession } from "../../src/session/renewal-rules.ts";
import {
  beginSession,
  sessionsBeyondLimit,
  isLive,
  type Session,
} from "../../src/session/session.ts";
import { device, lifetimes, network } from "../helpers/domain.ts";

const now = Date.UTC(2030, 0, 1);
const begun = beginSession("a fingerprint", "ada", device, lifetimes, now);

describe("a new session", () => {
  test("has generation 0 and its full lifetimes", () => {
    expect(begun).toEqual({
      foreignReplays: 0,
      foreignReplayGeneration: 0,
      securityVersion: 0,
      fingerprint: "a fingerprint",
      userId: "ada",
      generation: 0,
      createdAt: now,
      renewedAt: now,
      lastSeenAt: now,
      accessExpiresAt: now + lifetimes.access,
      idleExpiresAt: now + lifetimes.renewal,
      absoluteExpiresAt: now + lifetimes.absolute,
      graceEndsAt: now,
      minGeneration: 0,
      networks: network,
      ...device,
    });
  });

  test("is live until the millisecond before its idle expiry", () => {
    expect(isLive(begun, begun.idleExpiresAt - 1)).toBe(true);
    expect(isLive(begun, begun.idleExpiresAt)).toBe(false);
  });
});

describe("a renewal", () => {
  const later = now + 1_000;
  const renewed = rotateSession(begun, { generation: 0, network }, lifetimes, later);

  test("changes the expiries and the generation, and no other field", () => {
    expect(renewed).toEqual({
      ...begun,
      generation: 1,
      renewedAt: later,
      lastSeenAt: later,
      accessExpiresAt: later + lifetimes.access,
      idleExpiresAt: later + lifetimes.renewal,
      graceEndsAt: later + lifetimes.grace,
    });
  });

  test("does not change the given session object", () => {
    const frozen = Object.freeze({ ...begun });
    expect(() => rotateSession(frozen, { generation: 0, network }, lifetimes, later)).not.toThrow();
  });

  test.each([
    ["the current generation rotates", 1, 0, "rotate"],
    [
      "the previous generation is a replay within the grace period",
      0,
      lifetimes.grace - 1,
      "replay",
    ],
    ["the previous generation is reuse after the grace period", 0, lifetimes.grace, "reuse"],
    ["a later generation rotates, because the store has lost a renewal", 2, 0, "rotate"],
    ["a much later generation rotates, at any time", 9, lifetimes.renewal - 1, "rotate"],
  ])("with a token of %s", (_, generation, wait, verdict) => {
    expect(decideRenewal(renewed, { generation, generationAtRead: 1 }, later + wait)).toBe(verdict);
  });

  test("with a token two generations old is reuse, even within the grace period", () => {
    const twice = rotateSession(renewed, { generation: 1, network }, lifetimes, later);
    expect(decideRenewal(twice, { generation: 0, generationAtRead: 2 }, later)).toBe("reuse");
    expect(decideRenewal(twice, { generation: 1, generationAtRead: 2 }, later)).toBe("replay");
  });

  test.each([
    ["with the token that was current then, is a replay", 0, 0, "replay"],
    ["with the token before that, is a replay", 0, 1, "replay"],
    ["with a token two generations old, is reuse: it was used up then", 0, 2, "reuse"],
    ["with a token that is current when it arrives, rotates", 3, 2, "rotate"],
  ])("read before the last rotation, %s", (_, generation, generationAtRead, verdict) => {
    const twice = rotateSession(renewed, { generation: 1, network }, lifetimes, later);
    const thrice = rotateSession(twice, { generation: 2, network }, lifetimes, later);
    for (const wait of [-lifetimes.grace, 0, lifetimes.grace, lifetimes.renewal - 1])
      expect(
        decideRenewal(thrice, { generation, generationAtRead: generationAtRead }, later + wait),
      ).toBe(verdict);
  });

  test("continues from the token's generation if the store is behind", () => {
    expect(rotateSession(begun, { generation: 4, network }, lifetimes, later).generation).toBe(5);
  });

  test("has no grace period in a session that was never renewed", () => {
    const ungraced = { ...begun, generation: 1 };
    expect(decideRenewal(ungraced, { generation: 0, generationAtRead: 1 }, now)).toBe("reuse");
  });
});

describe("for any lifetimes and any number of renewals", () => {
  const time = fc.integer({ min: 1, max: 1_000_000 });
  const settings = fc.record({ access: time, renewal: time, absolute: time, grace: time });
  const waits = fc.array(fc.nat({ max: 500_000 }), { maxLength: 20 });

  /** The session after each renewal, while it is live. */
  function* history(given: typeof lifetimes, pauses: readonly number[]): Generator<Session> {
    let session = beginSession("a fingerprint", "ada", device, given, now);
    let at = now;
    yield session;
    for (const pause of pauses) {
      at += pause;
      if (!isLive(session, at)) return;
      session = rotateSession(session, { generation: session.generation, network }, given, at);
      yield session;
    }
  }

  test("the access expiry is at most the idle expiry, and that at most the absolute expiry", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const session of history(given, pauses)) {
          expect(session.accessExpiresAt).toBeLessThanOrEqual(session.idleExpiresAt);
          expect(session.idleExpiresAt).toBeLessThanOrEqual(session.absoluteExpiresAt);
        }
      }),
    );
  });

  test("the absolute expiry never changes", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const session of history(given, pauses))
          expect(session.absoluteExpiresAt).toBe(now + given.absolute);
      }),
    );
  });

  test("each lifetime starts at the renewal, limited by the longer ones", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const session of history(given, pauses)) {
          const { renewedAt, absoluteExpiresAt } = session;
          const idle = Math.min(renewedAt + given.renewal, absoluteExpiresAt);
          expect(session.idleExpiresAt).toBe(idle);
          expect(session.accessExpiresAt).toBe(Math.min(renewedAt + given.access, idle));
        }
      }),
    );
  });

  test("a renewal increments the generation by one", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const [index, { generation }] of [...history(given, pauses)].entries())
          expect(generation).toBe(index);
      }),
    );
  });
});

describe("honest clients, whose renewals are carried out late and in any order", () => {
  const request = fc.record({
    /** The delay between two requests. */
    pause: fc.nat({ max: 3 * lifetimes.grace }),
    /** The delay between the read of the session and the decision. */
    delay: fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 10 * lifetimes.grace })),
  });

  /** Each client uses the token that is current when it sends its request. */
  function verdicts(
    requests: readonly { readonly pause: number; readonly delay: number }[],
    judge: typeof decideRenewal,
  ) {
    let at = now;
    const events = requests.flatMap(({ pause, delay }) => {
      const asked = { generationAtRead: NaN };
      at += pause;
      return [
        { at, do: (session: Session) => void (asked.generationAtRead = session.generation) },
        { at: at + delay, asked },
      ];
    });
    let session = begun;
    const said = new Set<string>();
    for (const event of events.toSorted((a, b) => a.at - b.at)) {
      if ("do" in event) {
        event.do(session);
        continue;
      }
      const { generationAtRead } = event.asked;
      const verdict = judge(
        session,
        { generation: generationAtRead, generationAtRead: generationAtRead },
        event.at,
      );
      said.add(verdict);
      if (verdict === "rotate")
        session = rotateSession(
          session,
          { generation: generationAtRead, network },
          lifetimes,
          event.at,
        );
    }
    return said;
  }
  const property = (judge: typeof decideRenewal) =>
    fc.property(fc.array(request, { maxLength: 12 }), (requests) => {
      expect(verdicts(requests, judge)).not.toContain("reuse");
    });

  test("never cause a reuse", () => {
    fc.assert(property(decideRenewal), { numRuns: 1_000 });
  });

  test("would cause a reuse by a rule that ignores the generation at the read", () => {
    const blind: typeof decideRenewal = (session, { generation }, at) =>
      decideRenewal(session, { generation, generationAtRead: session.generation }, at);
    expect(fc.check(property(blind), { numRuns: 1_000 }).failed).toBe(true);
  });
});

describe("too many sessions", () => {
  const session = (fingerprint: string, createdAt: number): Session => ({
    ...begun,
    fingerprint,
    createdAt,
  });
  const names = (sessions: readonly Session[]) => sessions.map(({ fingerprint }) => fingerprint);

  test("are the oldest ones, in any order of the list", () => {
    const [a, b, c] = [session("a", 1), session("b", 2), session("c", 3)];
    for (const sessions of [
      [a, b, c],
      [c, b, a],
      [b, c, a],
    ])
      expect(names(sessionsBeyondLimit(sessions, 1))).toEqual(["b", "a"]);
    expect(sessionsBeyondLimit([c, a, b], 3)).toEqual([]);
  });

  test("that started in the same millisecond are the same ones on all nodes", () => {
    const [a, b, c] = [session("a", 1), session("b", 1), session("c", 1)];
    for (const sessions of [
      [a, b, c],
      [c, a, b],
      [b, a, c],
    ])
      expect(names(sessionsBeyondLimit(sessions, 1))).toEqual(["b", "a"]);
  });
});

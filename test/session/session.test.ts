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

describe("a session that begins", () => {
  test("is of the first generation and has its full lifetimes", () => {
    expect(begun).toEqual({
      foreignReplays: 0,
      foreignReplayGeneration: 0,
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

  test("lives until its idle expiry and not at it", () => {
    expect(isLive(begun, begun.idleExpiresAt - 1)).toBe(true);
    expect(isLive(begun, begun.idleExpiresAt)).toBe(false);
  });
});

describe("a renewal", () => {
  const later = now + 1_000;
  const renewed = rotateSession(begun, { generation: 0, network }, lifetimes, later);

  test("moves the expiries and the generation, and nothing of what the session is", () => {
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

  test("leaves the session it was made from as it was", () => {
    const frozen = Object.freeze({ ...begun });
    expect(() => rotateSession(frozen, { generation: 0, network }, lifetimes, later)).not.toThrow();
  });

  test.each([
    ["the current generation steps up", 1, 0, "rotate"],
    ["the one before converges within the grace", 0, lifetimes.grace - 1, "replay"],
    ["the one before is reused when the grace is over", 0, lifetimes.grace, "reuse"],
    ["one ahead steps up: the store has lost a renewal", 2, 0, "rotate"],
    ["one far ahead steps up, at any time", 9, lifetimes.renewal - 1, "rotate"],
  ])("by a token of %s", (_, generation, wait, verdict) => {
    expect(decideRenewal(renewed, { generation, generationAtRead: 1 }, later + wait)).toBe(verdict);
  });

  test("by a grandparent's token is reuse, even within the grace", () => {
    const twice = rotateSession(renewed, { generation: 1, network }, lifetimes, later);
    expect(decideRenewal(twice, { generation: 0, generationAtRead: 2 }, later)).toBe("reuse");
    expect(decideRenewal(twice, { generation: 1, generationAtRead: 2 }, later)).toBe("replay");
  });

  test.each([
    ["with what was the current token then, converges", 0, 0, "replay"],
    ["with the one before it, converges", 0, 1, "replay"],
    ["with a grandparent's, is reuse: it was long used then", 0, 2, "reuse"],
    ["and that comes when it is the current one, steps up", 3, 2, "rotate"],
  ])("asked before the last one was made, %s", (_, generation, generationAtRead, verdict) => {
    const twice = rotateSession(renewed, { generation: 1, network }, lifetimes, later);
    const thrice = rotateSession(twice, { generation: 2, network }, lifetimes, later);
    for (const wait of [-lifetimes.grace, 0, lifetimes.grace, lifetimes.renewal - 1])
      expect(
        decideRenewal(thrice, { generation, generationAtRead: generationAtRead }, later + wait),
      ).toBe(verdict);
  });

  test("follows the generation of the token where the store is behind", () => {
    expect(rotateSession(begun, { generation: 4, network }, lifetimes, later).generation).toBe(5);
  });

  test("gives no grace to a session never renewed", () => {
    const ungraced = { ...begun, generation: 1 };
    expect(decideRenewal(ungraced, { generation: 0, generationAtRead: 1 }, now)).toBe("reuse");
  });
});

describe("whatever the settings and however often it is renewed", () => {
  const time = fc.integer({ min: 1, max: 1_000_000 });
  const settings = fc.record({ access: time, renewal: time, absolute: time, grace: time });
  const waits = fc.array(fc.nat({ max: 500_000 }), { maxLength: 20 });

  /** The session after each renewal, for as long as it lives. */
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

  test("access ends no later than idle, and idle no later than the absolute expiry", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const session of history(given, pauses)) {
          expect(session.accessExpiresAt).toBeLessThanOrEqual(session.idleExpiresAt);
          expect(session.idleExpiresAt).toBeLessThanOrEqual(session.absoluteExpiresAt);
        }
      }),
    );
  });

  test("nothing moves the absolute expiry", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const session of history(given, pauses))
          expect(session.absoluteExpiresAt).toBe(now + given.absolute);
      }),
    );
  });

  test("each lifetime starts at the renewal, unless a longer one cuts it", () => {
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

  test("a renewal is a step up of one generation", () => {
    fc.assert(
      fc.property(settings, waits, (given, pauses) => {
        for (const [index, { generation }] of [...history(given, pauses)].entries())
          expect(generation).toBe(index);
      }),
    );
  });
});

describe("honest clients, whose renewals are carried out however late and in whatever order", () => {
  const request = fc.record({
    /** From one request to the next. */
    pause: fc.nat({ max: 3 * lifetimes.grace }),
    /** From the moment when the session is read for it to the verdict. */
    delay: fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 10 * lifetimes.grace })),
  });

  /** Each uses the token that is current when he asks. */
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

  test("are never taken for thieves", () => {
    fc.assert(property(decideRenewal), { numRuns: 1_000 });
  });

  test("would be by a rule that does not know what they saw", () => {
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

  test("are the oldest, in whatever order they are given", () => {
    const [a, b, c] = [session("a", 1), session("b", 2), session("c", 3)];
    for (const sessions of [
      [a, b, c],
      [c, b, a],
      [b, c, a],
    ])
      expect(names(sessionsBeyondLimit(sessions, 1))).toEqual(["b", "a"]);
    expect(sessionsBeyondLimit([c, a, b], 3)).toEqual([]);
  });

  test("that began together are the same ones on all nodes", () => {
    const [a, b, c] = [session("a", 1), session("b", 1), session("c", 1)];
    for (const sessions of [
      [a, b, c],
      [c, a, b],
      [b, a, c],
    ])
      expect(names(sessionsBeyondLimit(sessions, 1))).toEqual(["b", "a"]);
  });
});

/** Foreign replays detect a thief who renews right after the owner, within the grace period. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sessionNetworkOf } from "../../src/lib/client-network.ts";
import {
  countForeignReplay,
  decideRenewal,
  rotateSession,
} from "../../src/session/renewal-rules.ts";
import { beginSession, type Device, type Session } from "../../src/session/session.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import { device, lifetimes, minute, startDomain, type Domain } from "../helpers/domain.ts";
import { intercept } from "../helpers/backends.ts";
import { next, startWatchDomain } from "../helpers/watch.ts";

const elsewhere = { userAgent: "Thief/1.0", ipAddress: "198.51.100.7" };
const neighbour = { userAgent: "Thief/1.0", ipAddress: "192.0.2.250" };

/** For a number of generations, the owner renews and the thief replays the same token. Returns the thief's outcomes. */
async function follow(
  { login, sessions, clock }: Pick<Domain, "login" | "sessions" | "clock">,
  generations: number,
  from: Device = elsewhere,
) {
  const issued = await login();
  let token = issued.tokens.renewalToken;
  const outcomes: string[] = [];
  for (let i = 0; i < generations; i += 1) {
    clock.advance(20 * minute);
    const mine = await sessions.renew(token, device);
    clock.advance(1_000);
    const theirs = await sessions.renew(token, from);
    outcomes.push(theirs.outcome === "refused" ? theirs.reason : theirs.outcome);
    if (mine.outcome === "refused") break;
    token = mine.tokens.renewalToken;
  }
  return { fingerprint: issued.session.fingerprint, outcomes, token };
}

describe("a thief who follows each renewal", () => {
  test("from another network is audited each time, and the third replay ends the session", async () => {
    const domain = startDomain();
    const { outcomes, fingerprint, token } = await follow(domain, 3);
    expect(outcomes).toEqual(["renewed", "renewed", "REUSED"]);
    expect(await domain.renewal(token)).toBe("ENDED");
    const { ipAddress: address, userAgent } = elsewhere;
    const of = { userId: "ada", fingerprint, address, userAgent };
    const events = new Set<string>(["foreignReplay", "reuse"]);
    expect(domain.audited.filter(({ event }) => events.has(event))).toEqual([
      { event: "foreignReplay", generation: 0, ...of },
      { event: "foreignReplay", generation: 1, ...of },
      { event: "reuse", generation: 2, ...of },
    ]);
    const ends = domain.audited.filter(({ event }) => event === "end");
    expect(ends).toMatchObject([{ reason: "RENEWAL_REUSED" }]);
  });

  test("is audited each time and ends nothing when foreign replays are only audited", async () => {
    const domain = startDomain({ foreignReplays: "audit" });
    const { outcomes } = await follow(domain, 5);
    expect(outcomes).toEqual(Array.from({ length: 5 }, () => "renewed"));
    expect(domain.audited.filter(({ event }) => event === "foreignReplay")).toHaveLength(5);
  });

  test("from the owner's network is not detected", async () => {
    const domain = startDomain();
    const { outcomes } = await follow(domain, 8, neighbour);
    expect(outcomes).toEqual(Array.from({ length: 8 }, () => "renewed"));
    expect(domain.audited.filter(({ event }) => event === "foreignReplay")).toEqual([]);
  });

  test("from an unknown address is not detected", async () => {
    const domain = startDomain();
    const { outcomes } = await follow(domain, 5, { ...elsewhere, ipAddress: null });
    expect(outcomes).toEqual(Array.from({ length: 5 }, () => "renewed"));
  });

  test("is audited once per generation, however often the token is replayed", async () => {
    const domain = startDomain();
    const { tokens } = await domain.login();
    await domain.sessions.renew(tokens.renewalToken, device);
    await Promise.all(
      Array.from({ length: 20 }, () => domain.node().renew(tokens.renewalToken, elsewhere)),
    );
    expect(domain.audited.filter(({ event }) => event === "foreignReplay")).toHaveLength(1);
  });
});

describe("the owner's devices", () => {
  test("receive one event per generation for foreign replays, with the address", async () => {
    const domain = startWatchDomain();
    const { tokens, session } = await domain.login();
    const stream = await domain.watch();
    await domain.sessions.renew(tokens.renewalToken, device);
    for (let i = 0; i < 3; i += 1) await domain.sessions.renew(tokens.renewalToken, elsewhere);
    await domain.logout(tokens.accessToken);
    const { fingerprint } = session;
    expect(await next(stream)).toMatchObject({ type: "RENEWED" });
    expect(await next(stream)).toEqual({
      type: "REPLAYED",
      address: elsewhere.ipAddress,
      at: domain.clock.now,
      session: expect.objectContaining({ fingerprint, generation: 1, foreignReplays: 1 }),
    });
    expect(await next(stream)).toMatchObject({ type: "ENDED" });
  });

  test("receive the event of a replay whose message was lost, without the address", async () => {
    const domain = startWatchDomain();
    const { tokens } = await domain.login();
    const first = await domain.renew(tokens.renewalToken);
    const stream = await domain.watch();
    const deaf = domain.node({
      pubsub: intercept<PubSub>(domain.pubsub, { publish: () => async () => {} }),
    });
    await deaf.renew(tokens.renewalToken, elsewhere);
    await domain.renew(first.tokens.renewalToken);
    expect(await next(stream)).toMatchObject({ type: "REPLAYED", address: null });
    expect(await next(stream)).toMatchObject({ type: "RENEWED", session: { generation: 2 } });
  });
});

describe("an honest client", () => {
  const networks = ["192.0.2.1", "198.51.100.1", "2001:db8::1", "203.0.113.1"].map((address) =>
    sessionNetworkOf(address),
  );
  const network = fc.constantFrom(...networks, "unknown");

  /** Simulates renewals: the network of each, and the networks from which it is retried after a lost response. */
  function play(script: readonly { from: string; retries: readonly string[] }[]) {
    let session: Session = { ...beginSession("f", "ada", device, lifetimes, 0) };
    let now = 0;
    const decisions: string[][] = [];
    const counts: number[] = [];
    for (const { from, retries } of script) {
      now += 20 * minute;
      const { generation } = session;
      session = rotateSession(session, { generation, network: from }, lifetimes, now);
      const generationAtRead = session.generation;
      decisions.push(
        retries.map((again, i) => {
          const decision = decideRenewal(
            session,
            { generation, generationAtRead, network: again },
            now + i,
          );
          if (decision === "foreignReplay") session = countForeignReplay(session);
          return decision;
        }),
      );
      counts.push(session.foreignReplays);
    }
    return { decisions, counts, session };
  }

  test("that retries within the grace period from several networks counts once per generation", () => {
    const retries = fc.array(network, { maxLength: 8 });
    fc.assert(
      fc.property(network, retries, (from, again) => {
        const { decisions } = play([{ from, retries: again }]);
        const foreign = decisions.flat().filter((decision) => decision === "foreignReplay");
        expect(foreign.length).toBeLessThanOrEqual(1);
        expect(decisions.flat()).not.toContain("reuse");
      }),
    );
  });

  test("that moves between networks it has renewed from has no foreign replays", () => {
    const moves = fc.array(
      fc.record({ from: network, retries: fc.array(network, { maxLength: 4 }) }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(moves, (script) => {
        const seenEverywhere = networks.map((from) => ({ from, retries: [] }));
        const { decisions } = play([...seenEverywhere, ...script]);
        for (const decision of decisions.flat()) expect(decision).toBe("replay");
      }),
    );
  });

  test("keeps its session after two lost responses in a row, or after any number with a received one in between", () => {
    const lost = fc.record({ from: network, retries: fc.array(network, { maxLength: 4 }) });
    const good = fc.record({ from: network, retries: fc.constant([]) });
    const course = fc
      .array(fc.tuple(lost, lost, good), { maxLength: 6 })
      .map((parts) => parts.flat());
    fc.assert(
      fc.property(course, (script) => {
        expect(play(script).decisions.flat()).not.toContain("reuse");
      }),
    );
  });

  test("with one lost response counts one foreign replay, which no longer matters two generations later", () => {
    const [home = "", mobile = ""] = networks;
    const quiet = { from: home, retries: [] };
    const { decisions, session } = play([{ from: home, retries: [mobile] }, quiet, quiet]);
    expect(decisions).toEqual([["foreignReplay"], [], []]);
    const again = play([
      { from: home, retries: [mobile] },
      quiet,
      quiet,
      { from: home, retries: [mobile] },
    ]);
    expect(again.counts.at(-1)).toBe(1);
    expect(session.foreignReplays).toBe(1);
  });
});

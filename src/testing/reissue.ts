/** The part of the session store contract on reissuing sessions and counting foreign replays. */
import { expect, test } from "vitest";
import type { RenewalOutcome, SessionStore } from "../session/store.ts";
import { lifetimes, network, newSession, renewIn, start } from "./samples.ts";

const elsewhere = "198.51.100.0/24";

export function reissueContract(storeOf: () => SessionStore): void {
  const begin = async () => {
    const session = newSession();
    await storeOf().create(session);
    return session;
  };

  /** The outcome of a renewal of a session that was read just now. */
  async function renew(
    fingerprint: string,
    generation: number,
    from = network,
    foreignReplaysEnd = true,
  ): Promise<RenewalOutcome["outcome"]> {
    const store = storeOf();
    const generationAtRead = (await store.read(fingerprint, start))?.generation ?? 0;
    const request = { generation, generationAtRead, network: from, foreignReplaysEnd };
    return (await store.renew(fingerprint, request, lifetimes, start)).outcome;
  }

  const reissue = (fingerprint: string, atLeast = 0, from = network, now = start) =>
    storeOf().reissue(fingerprint, { atLeast, network: from }, lifetimes, now);

  test("reissue moves the session to the next generation, without a grace period for earlier tokens", async () => {
    const session = await begin();
    const { fingerprint } = session;
    await renew(fingerprint, 0);
    const now = start + 5_000;
    const reissued = await reissue(fingerprint, 0, elsewhere, now);
    expect(reissued).toEqual({
      ...session,
      generation: 2,
      minGeneration: 2,
      renewedAt: now,
      lastSeenAt: now,
      accessExpiresAt: now + lifetimes.access,
      idleExpiresAt: now + lifetimes.renewal,
      graceEndsAt: expect.any(Number) as number,
      networks: `${elsewhere} ${network}`,
    });
    expect(reissued?.graceEndsAt).toBeLessThan(now + lifetimes.grace / 2);
    expect(await storeOf().read(fingerprint, now)).toEqual(reissued);
    expect(await storeOf().listByUser(session.userId, now)).toEqual([reissued]);
  });

  test("reissue raises the security version to a given higher one, and a renewal keeps it", async () => {
    const { fingerprint } = await begin();
    const request = (securityVersion: number) => ({ atLeast: 0, network, securityVersion });
    for (const [given, kept] of [
      [3, 3],
      [2, 3],
      [4, 4],
    ] as const) {
      const reissued = await storeOf().reissue(fingerprint, request(given), lifetimes, start);
      expect(reissued).toMatchObject({ securityVersion: kept });
    }
    expect(await reissue(fingerprint)).toMatchObject({ securityVersion: 4 });
    await renew(fingerprint, 4);
    expect(await storeOf().read(fingerprint, start)).toMatchObject({
      generation: 5,
      securityVersion: 4,
    });
  });

  test("reissue moves on from the caller's generation when the store has lost a renewal", async () => {
    const { fingerprint } = await begin();
    expect(await reissue(fingerprint, 7)).toMatchObject({ generation: 8, minGeneration: 8 });
  });

  test("reissue returns undefined for an ended, expired or unknown session", async () => {
    const { fingerprint, idleExpiresAt } = await begin();
    expect(await reissue(fingerprint, 0, network, idleExpiresAt)).toBeUndefined();
    await storeOf().end(fingerprint, start);
    expect(await reissue(fingerprint)).toBeUndefined();
    expect(await reissue("never")).toBeUndefined();
    expect(await storeOf().read(fingerprint, start)).toBeUndefined();
  });

  test("reissue does not extend a session past its absolute expiry", async () => {
    const { fingerprint, absoluteExpiresAt: end } = await begin();
    for (let now = start; now < end; now += lifetimes.renewal - 1)
      await reissue(fingerprint, 0, network, now);
    const last = await reissue(fingerprint, 0, network, end - 1);
    expect(last).toMatchObject({ accessExpiresAt: end, idleExpiresAt: end });
  });

  test("a token from before a reissue is superseded, whatever generation was read, and changes nothing", async () => {
    const { fingerprint } = await begin();
    await renew(fingerprint, 0);
    const reissued = await reissue(fingerprint);
    for (const generation of [0, 1])
      for (const generationAtRead of [0, 1, 2, Number.MAX_SAFE_INTEGER])
        for (const from of [network, elsewhere]) {
          const request = { generation, generationAtRead, network: from };
          const renewal = await storeOf().renew(fingerprint, request, lifetimes, start);
          expect(renewal).toEqual({ outcome: "superseded", session: reissued });
        }
    expect(await storeOf().read(fingerprint, start)).toEqual(reissued);
    expect(await renew(fingerprint, 2)).toBe("rotated");
    expect(await renew(fingerprint, 2)).toBe("replayed");
    expect(await renew(fingerprint, 1)).toBe("superseded");
  });

  test("a renewal concurrent with a reissue never gets the reissued session", async () => {
    const { fingerprint } = await begin();
    const request = { generation: 0, generationAtRead: 0, network };
    const renewals = Array.from({ length: 20 }, async (_, i) => {
      if (i === 10) await reissue(fingerprint);
      return storeOf().renew(fingerprint, request, lifetimes, start);
    });
    const outcomes = await Promise.all(renewals);
    const session = await storeOf().read(fingerprint, start);
    expect(session?.minGeneration).toBe(session?.generation);
    for (const renewal of outcomes)
      if (renewal.outcome !== "superseded")
        expect(renewal).toMatchObject({ session: { generation: 1, minGeneration: 0 } });
  });

  test("concurrent reissues each make a separate generation", async () => {
    const { fingerprint } = await begin();
    const all = await Promise.all(Array.from({ length: 20 }, () => reissue(fingerprint)));
    const generations = all.map((one) => one?.generation ?? 0).toSorted((a, b) => a - b);
    expect(generations).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(await storeOf().read(fingerprint, start)).toMatchObject({ minGeneration: 20 });
  });

  test("one foreign replay counts per generation, and its network is not added", async () => {
    const { fingerprint } = await begin();
    await renew(fingerprint, 0);
    const request = { generation: 0, generationAtRead: 1, network: elsewhere };
    const counted = await storeOf().renew(fingerprint, request, lifetimes, start);
    const session = await storeOf().read(fingerprint, start);
    expect(counted).toEqual({ outcome: "foreignReplay", session });
    expect(session).toMatchObject({
      generation: 1,
      networks: network,
      foreignReplays: 1,
      foreignReplayGeneration: 1,
    });
    for (const from of [elsewhere, "2001:db8::/48", network])
      expect(await renew(fingerprint, 0, from)).toBe("replayed");
    expect(await storeOf().read(fingerprint, start)).toEqual(session);
  });

  test("foreign replays in three generations in a row are reuse, which changes nothing", async () => {
    const { fingerprint } = await begin();
    for (const [generation, outcome] of ["foreignReplay", "foreignReplay"].entries()) {
      await renew(fingerprint, generation);
      expect(await renew(fingerprint, generation, elsewhere)).toBe(outcome);
    }
    await renew(fingerprint, 2);
    const session = await storeOf().read(fingerprint, start);
    for (let i = 0; i < 2; i += 1) expect(await renew(fingerprint, 2, elsewhere)).toBe("reused");
    expect(await storeOf().read(fingerprint, start)).toEqual(session);
    // From a known network it is an ordinary replay.
    expect(await renew(fingerprint, 2)).toBe("replayed");
  });

  test("foreign replays are counted but never reuse when foreignReplaysEnd is false", async () => {
    const { fingerprint } = await begin();
    for (let generation = 0; generation < 5; generation += 1) {
      await renew(fingerprint, generation);
      expect(await renew(fingerprint, generation, elsewhere, false)).toBe("foreignReplay");
    }
    expect(await storeOf().read(fingerprint, start)).toMatchObject({ foreignReplays: 5 });
  });

  test("the count of foreign replays restarts after a generation without one", async () => {
    const { fingerprint } = await begin();
    for (let generation = 0; generation < 9; generation += 1) {
      await renew(fingerprint, generation);
      if (generation % 3 !== 2)
        expect(await renew(fingerprint, generation, elsewhere)).toBe("foreignReplay");
    }
    expect(await storeOf().read(fingerprint, start)).toMatchObject({ foreignReplays: 2 });
  });

  test("a replay is not foreign when its network or all networks of the session are unknown", async () => {
    const { fingerprint } = await begin();
    await renew(fingerprint, 0);
    expect(await renew(fingerprint, 0, "unknown")).toBe("replayed");
    for (const networks of ["", "unknown"]) {
      const unknown = { ...newSession(), networks };
      await storeOf().create(unknown);
      await renew(unknown.fingerprint, 0, "unknown");
      expect(await renew(unknown.fingerprint, 0, elsewhere)).toBe("replayed");
    }
  });

  test("a foreign replay leaves the session listed and its expiry unchanged", async () => {
    const session = await begin();
    await renewIn(storeOf(), session.fingerprint, 0, start + 1);
    const before = await storeOf().read(session.fingerprint, start);
    await renew(session.fingerprint, 0, elsewhere);
    const after = { ...before, foreignReplays: 1, foreignReplayGeneration: 1 };
    expect(await storeOf().listByUser(session.userId, start)).toEqual([after]);
    const expiry = before?.idleExpiresAt ?? 0;
    expect(await storeOf().read(session.fingerprint, expiry - 1)).toEqual(after);
    expect(await storeOf().read(session.fingerprint, expiry)).toBeUndefined();
  });
}

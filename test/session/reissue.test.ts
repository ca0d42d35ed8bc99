/** A session that starts over after a changed password: nothing from before is worth anything. */
import { describe, expect, test } from "vitest";
import type { Issued } from "../../src/session/sessions.ts";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { device, lifetimes, minute, startDomain, type Domain } from "../helpers/domain.ts";
import { breakable, intercept, memoryStore } from "../helpers/backends.ts";

function claimsOf({ sessions }: Domain, token: string) {
  const claims = sessions.identify(token);
  if (claims === undefined) throw new Error("Not one of ours");
  return claims;
}

/** Starts the session of that access token over; it has to succeed. */
async function reissue(domain: Domain, { tokens }: Issued): Promise<Issued> {
  const renewal = await domain.sessions.reissue(claimsOf(domain, tokens.accessToken), device);
  if (renewal.outcome === "refused") throw new Error(`Refused: ${renewal.reason}`);
  return renewal;
}

/** What holds once the change is answered: these pairs are worth nothing, and that one is accepted. */
async function expectOnly(domain: Domain, mine: Issued, before: readonly Issued[]): Promise<void> {
  for (const { tokens } of before) {
    expect(await domain.access(tokens.accessToken)).toBe("SUPERSEDED");
    const claims = claimsOf(domain, tokens.accessToken);
    expect(await domain.sessions.checkAgain(claims)).toMatchObject({ reason: "SUPERSEDED" });
    expect(await domain.renewal(tokens.renewalToken)).toBe("SUPERSEDED");
  }
  expect(await domain.access(mine.tokens.accessToken)).toBe("signedIn");
}

/** A store in which something else happens just before, or after, a step of that kind. */
function around(kind: "renew" | "reissue", point: "before" | "after") {
  let act: () => Promise<unknown> = async () => {};
  const wrap =
    <Args extends unknown[], Result>(real: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      const planned = act;
      act = async () => {};
      if (point === "before") await planned();
      const result = await real(...args);
      if (point === "after") await planned();
      return result;
    };
  const store = intercept<SessionStore>(memoryStore(), { [kind]: wrap });
  return { store, once: (next: () => Promise<unknown>) => void (act = next) };
}

describe("a session that starts over", () => {
  test.each(["current", "before", "long before"] as const)(
    "refuses the tokens from before, of the %s generation too, and lives on",
    async (which) => {
      const domain = startDomain();
      const first = await domain.login();
      const second = await domain.renew(first.tokens.renewalToken);
      const third = await domain.renew(second.tokens.renewalToken);
      const caller = { current: third, before: second, "long before": first }[which];
      const mine = await reissue(domain, caller);
      expect(mine.session).toMatchObject({ generation: 3, minGeneration: 3 });
      await expectOnly(domain, mine, [first, second, third]);
      domain.clock.advance(lifetimes.grace + minute);
      await expectOnly(domain, mine, [first, second, third]);
      const next = await domain.renew(mine.tokens.renewalToken);
      await expectOnly(domain, next, [first, second, third]);
      expect(await domain.logout(next.tokens.accessToken)).toBe(1);
    },
  );

  test("writes each refused renewal down as such, ends nothing and uses nothing up", async () => {
    const domain = startDomain();
    const login = await domain.login();
    const mine = await reissue(domain, login);
    domain.audited.length = 0;
    const before = await domain.store.read(mine.session.fingerprint, domain.clock.now);
    for (let i = 0; i < 3; i += 1)
      expect(await domain.renewal(login.tokens.renewalToken)).toBe("SUPERSEDED");
    const fact = { event: "renewalRefused", reason: "SUPERSEDED", generation: 0 };
    expect(domain.audited).toMatchObject([fact, fact, fact]);
    expect(await domain.store.read(mine.session.fingerprint, domain.clock.now)).toEqual(before);
  });

  test("is not ended by a logout with a token from before, and is by one from after", async () => {
    const domain = startDomain();
    const login = await domain.login();
    const mine = await reissue(domain, login);
    const claims = claimsOf(domain, login.tokens.renewalToken);
    expect(await domain.sessions.endByToken(claims, "LOGOUT")).toBe(0);
    expect(await domain.access(mine.tokens.accessToken)).toBe("signedIn");
    const newer = claimsOf(domain, mine.tokens.renewalToken);
    expect(await domain.sessions.endByToken(newer, "LOGOUT")).toBe(1);
    expect(await domain.sessions.endByToken(newer, "LOGOUT")).toBe(0);
  });

  test("tells the other nodes, with the least generation that is accepted", async () => {
    const domain = startDomain();
    const login = await domain.login();
    domain.localChanges.length = 0;
    await reissue(domain, login);
    expect(domain.localChanges).toMatchObject([
      { type: "renewed", session: { generation: 1, minGeneration: 1 } },
    ]);
  });

  test("does nothing while the store is away, says so, and has all look for themselves", async () => {
    const { part: store, goDown, comeBack } = breakable(memoryStore());
    const domain = startDomain({ store });
    const login = await domain.login();
    const heard = await domain.recordMessages(login.session.fingerprint);
    goDown();
    await expect(reissue(domain, login)).rejects.toThrow(StoreUnavailable);
    comeBack();
    expect(heard).toEqual(["uncertain"]);
    expect(await domain.access(login.tokens.accessToken)).toBe("signedIn");
    const mine = await reissue(domain, login);
    await expectOnly(domain, mine, [login]);
  });

  test("may be asked again where the store's answer was lost, and then refuses the lost pair too", async () => {
    const step = around("reissue", "after");
    const domain = startDomain({ store: step.store });
    const login = await domain.login();
    step.once(async () => Promise.reject(new StoreUnavailable("The answer is lost")));
    await expect(reissue(domain, login)).rejects.toThrow(StoreUnavailable);
    expect(await domain.access(login.tokens.accessToken)).toBe("SUPERSEDED");
    const mine = await reissue(domain, login);
    expect(mine.session).toMatchObject({ generation: 2, minGeneration: 2 });
  });
});

describe("a thief's renewal gets nothing that outlives a changed password", () => {
  test("when it steps before the change reaches the store", async () => {
    const step = around("reissue", "before");
    const domain = startDomain({ store: step.store });
    const login = await domain.login();
    const thief = domain.node();
    let stolen: Issued | undefined;
    step.once(async () => {
      const renewal = await thief.renew(login.tokens.renewalToken);
      if (renewal.outcome === "renewed") stolen = renewal;
    });
    const mine = await reissue(domain, login);
    expect(stolen?.session.generation).toBe(1);
    expect(mine.session.generation).toBe(2);
    await expectOnly(domain, mine, stolen === undefined ? [login] : [login, stolen]);
  });

  test("when it steps several times before the change reaches the store", async () => {
    const step = around("reissue", "before");
    const domain = startDomain({ store: step.store });
    const login = await domain.login();
    const all = [login];
    step.once(async () => {
      for (let i = 0; i < 5; i += 1)
        all.push(await domain.renew(all.at(-1)?.tokens.renewalToken ?? ""));
    });
    const mine = await reissue(domain, login);
    await expectOnly(domain, mine, all);
  });

  test.each([0, 1])(
    "when it read the session before the change and is carried out after it, %i generations old",
    async (age) => {
      const step = around("renew", "before");
      const domain = startDomain({ store: step.store });
      const first = await domain.login();
      const second = await domain.renew(first.tokens.renewalToken);
      let mine: Issued | undefined;
      step.once(async () => (mine = await reissue(domain, second)));
      const stolen = age === 0 ? second : first;
      expect(await domain.renewal(stolen.tokens.renewalToken)).toBe("SUPERSEDED");
      if (mine === undefined) throw new Error("Nothing was changed");
      await expectOnly(domain, mine, [first, second]);
    },
  );

  test("when it comes right after the change, inside what was the grace period", async () => {
    const domain = startDomain();
    const first = await domain.login();
    const second = await domain.renew(first.tokens.renewalToken);
    const mine = await reissue(domain, second);
    for (const { tokens } of [second, first])
      expect(await domain.renewal(tokens.renewalToken)).toBe("SUPERSEDED");
    await expectOnly(domain, mine, [first, second]);
  });

  test("when two changes are made at once: one pair alone is accepted afterwards", async () => {
    const domain = startDomain();
    const login = await domain.login();
    const both = await Promise.all([reissue(domain, login), reissue(domain, login)]);
    const [older, newer] = both.toSorted((a, b) => a.session.generation - b.session.generation);
    if (older === undefined || newer === undefined) throw new Error("Two");
    await expectOnly(domain, newer, [login, older]);
  });
});

import { describe, expect, test } from "vitest";
import { day, device, lifetimes, minute, startDomain, tokenStrings } from "../helpers/domain.ts";
import { enabled } from "../helpers/users.ts";
import type { UserStatus } from "../../src/session/user-status.ts";

describe("a renewal", () => {
  test("returns a new pair of the same session, with its user and device", async () => {
    const { login, renew, access, clock } = startDomain();
    const { session, tokens } = await login();
    clock.advance(minute);
    const renewed = await renew(tokens.renewalToken);
    expect(renewed.session).toMatchObject({
      fingerprint: session.fingerprint,
      userId: "ada",
      generation: 1,
      createdAt: session.createdAt,
      renewedAt: clock.now,
      ...device,
    });
    expect(renewed.tokens.accessToken).not.toBe(tokens.accessToken);
    expect(renewed.tokens.renewalToken).not.toBe(tokens.renewalToken);
    expect(await access(renewed.tokens.accessToken)).toBe("signedIn");
  });

  test("that concurrent renewals overtake is no reuse, however late it is, and makes no second generation", async () => {
    const { login, renew, access, clock, node } = startDomain();
    const { tokens } = await login();
    const gate = Promise.withResolvers<UserStatus>();
    const asked = Promise.withResolvers<void>();
    const slow = node({ userStatus: () => (asked.resolve(), gate.promise) });
    const late = slow.renew(tokens.renewalToken);
    await asked.promise;
    const first = await renew(tokens.renewalToken);
    const last = await renew(first.tokens.renewalToken);
    clock.advance(lifetimes.grace + minute);
    gate.resolve(enabled);
    expect(await late).toMatchObject({ outcome: "renewed", tokens: last.tokens });
    expect(await access(last.tokens.accessToken)).toBe("signedIn");
  });

  test("with a token that was used up before is reuse, whatever is renewed concurrently", async () => {
    const { login, renew, access, node } = startDomain();
    const { tokens: stolen } = await login();
    const second = await renew(stolen.renewalToken);
    const third = await renew(second.tokens.renewalToken);
    const gate = Promise.withResolvers<UserStatus>();
    const asked = Promise.withResolvers<void>();
    const slow = node({ userStatus: () => (asked.resolve(), gate.promise) });
    const theft = slow.renew(stolen.renewalToken);
    await asked.promise;
    const fourth = await renew(third.tokens.renewalToken);
    gate.resolve(enabled);
    expect(await theft).toMatchObject({ reason: "REUSED" });
    expect(await access(fourth.tokens.accessToken)).toBe("ENDED");
  });

  test("supersedes the old access token at once", async () => {
    const { login, renew, access } = startDomain();
    const { tokens } = await login();
    await renew(tokens.renewalToken);
    expect(await access(tokens.accessToken)).toBe("SUPERSEDED");
  });

  test("is published to the other nodes with the new expiry", async () => {
    const { login, renew, recordMessages, localChanges } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    const renewed = await renew(tokens.renewalToken);
    expect(heard).toEqual(["renewed"]);
    expect(localChanges).toMatchObject([{ type: "renewed", session: renewed.session }]);
  });

  test("succeeds after the access token expired long ago", async () => {
    const { login, renewal, access, clock } = startDomain();
    const { tokens } = await login();
    clock.advance(lifetimes.renewal - 1);
    expect(await access(tokens.accessToken)).toBe("EXPIRED");
    expect(await renewal(tokens.renewalToken)).toBe("renewed");
  });

  test("is refused after its own token, and the session with it, has expired", async () => {
    const { login, renewal, sessions, clock } = startDomain();
    const { tokens } = await login();
    clock.advance(lifetimes.renewal);
    expect(await renewal(tokens.renewalToken)).toBe("EXPIRED");
    expect(await sessions.list("ada")).toEqual([]);
  });

  test("does not extend the session past its absolute lifetime and is refused afterwards", async () => {
    const { login, renew, renewal, access, clock } = startDomain();
    let { session, tokens } = await login();
    const end = session.absoluteExpiresAt;
    for (; clock.now + 20 * day < end; clock.advance(20 * day))
      ({ session, tokens } = await renew(tokens.renewalToken));
    clock.now = end - minute;
    ({ session, tokens } = await renew(tokens.renewalToken));
    expect(session).toMatchObject({ accessExpiresAt: end, idleExpiresAt: end });
    clock.now = end;
    expect(await access(tokens.accessToken)).toBe("EXPIRED");
    expect(await renewal(tokens.renewalToken)).toBe("EXPIRED");
  });

  test.each([
    ["an empty token", "MISSING", () => ""],
    ["garbage", "MALFORMED", () => "garbage"],
    ["an access token", "WRONG_KIND", (access: string) => access],
    ["a forged one", "BAD_SIGNATURE", () => `curfew_renewal_AQAAAAAAAAI${"A".repeat(77)}`],
  ])("with %s is refused and changes nothing", async (_, reason, make) => {
    const { login, renewal, sessions } = startDomain();
    const { session, tokens } = await login();
    expect(await renewal(make(tokens.accessToken))).toBe(reason);
    expect(await sessions.list("ada")).toEqual([session]);
  });
});

describe("a renewal token used again", () => {
  test("within the grace period returns the same pair without a second rotation", async () => {
    const { login, renew, clock, recordMessages } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    const first = await renew(tokens.renewalToken);
    clock.advance(lifetimes.grace - 1);
    const again = await renew(tokens.renewalToken);
    expect(again.session).toEqual(first.session);
    expect(tokenStrings(again.tokens)).toEqual(tokenStrings(first.tokens));
    expect(heard).toEqual(["renewed"]);
  });

  test("after the grace period is reuse, also while the owner renews", async () => {
    let meanwhile = async () => {};
    const userStatus = async () => {
      const act = meanwhile;
      meanwhile = async () => {};
      await act();
      return enabled;
    };
    const { login, renew, renewal, clock } = startDomain({ userStatus });
    const { tokens } = await login();
    const second = await renew(tokens.renewalToken);
    clock.advance(lifetimes.grace);
    meanwhile = async () => void (await renew(second.tokens.renewalToken));
    expect(await renewal(tokens.renewalToken)).toBe("REUSED");
  });

  test("in fifty concurrent renewals on two nodes rotates once and returns one pair", async () => {
    const { login, sessions, node, access, recordMessages } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    const other = node();
    const renewals = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        (i % 2 === 0 ? sessions : other).renew(tokens.renewalToken),
      ),
    );
    const pairs = renewals.map((one) => one.outcome === "renewed" && one.tokens);
    const [pair] = pairs;
    expect(new Set(pairs.map((one) => one && tokenStrings(one).join()))).toHaveLength(1);
    expect(heard).toEqual(["renewed"]);
    expect(await access(pair ? pair.accessToken : undefined)).toBe("signedIn");
    expect(await access(tokens.accessToken)).toBe("SUPERSEDED");
    expect(await sessions.list("ada")).toMatchObject([{ generation: 1 }]);
  });

  test("after the grace period ends the session, for thief and owner alike", async () => {
    const { login, renew, renewal, access, sessions, clock, recordMessages } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    const renewed = await renew(tokens.renewalToken);
    clock.advance(lifetimes.grace);
    expect(await renewal(tokens.renewalToken)).toBe("REUSED");
    expect(await access(renewed.tokens.accessToken)).toBe("ENDED");
    expect(await renewal(renewed.tokens.renewalToken)).toBe("ENDED");
    expect(await sessions.list("ada")).toEqual([]);
    expect(heard).toEqual(["renewed", "RENEWAL_REUSED"]);
  });

  test("in fifty concurrent renewals after the grace period publishes one end", async () => {
    const { login, renew, renewal, clock, recordMessages, localChanges } = startDomain();
    const { session, tokens } = await login();
    await renew(tokens.renewalToken);
    const heard = await recordMessages(session.fingerprint);
    clock.advance(lifetimes.grace);
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, () => renewal(tokens.renewalToken)),
    );
    expect(outcomes.filter((outcome) => outcome === "REUSED")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "ENDED")).toHaveLength(49);
    const ends = (told: readonly string[]) => told.filter((what) => what === "RENEWAL_REUSED");
    expect(ends(heard)).toHaveLength(1);
    expect(
      ends(localChanges.map((message) => ("reason" in message ? message.reason : ""))),
    ).toHaveLength(1);
  });

  test("two generations later ends the session even within the grace period", async () => {
    const { login, renew, renewal, access } = startDomain();
    const first = await login();
    const second = await renew(first.tokens.renewalToken);
    const third = await renew(second.tokens.renewalToken);
    expect(await renewal(first.tokens.renewalToken)).toBe("REUSED");
    expect(await access(third.tokens.accessToken)).toBe("ENDED");
  });

  test("leaves the user's other sessions open", async () => {
    const { login, renew, renewal, access, clock } = startDomain();
    const [stolen, other] = [await login(), await login()];
    await renew(stolen.tokens.renewalToken);
    clock.advance(lifetimes.grace);
    expect(await renewal(stolen.tokens.renewalToken)).toBe("REUSED");
    expect(await access(other.tokens.accessToken)).toBe("signedIn");
  });
});

describe("a disabled user", () => {
  test("gets no new pair, and the session ends", async () => {
    const { login, renewal, access, disabledUsers, recordMessages, sessions } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    disabledUsers.add("ada");
    expect(await renewal(tokens.renewalToken)).toBe("USER_GONE");
    expect(await access(tokens.accessToken)).toBe("ENDED");
    expect(await renewal(tokens.renewalToken)).toBe("ENDED");
    expect(await sessions.list("ada")).toEqual([]);
    expect(heard).toEqual(["USER_GONE"]);
  });

  test("gets no pair within the grace period either", async () => {
    const { login, renew, renewal, disabledUsers, sessions } = startDomain();
    const { tokens } = await login();
    await renew(tokens.renewalToken);
    disabledUsers.add("ada");
    expect(await renewal(tokens.renewalToken)).toBe("USER_GONE");
    expect(await sessions.list("ada")).toEqual([]);
  });
});

test("while users cannot be looked up, their sessions stay open and their tokens unused", async () => {
  const users = { known: false };
  const userStatus = async () => {
    if (!users.known) throw new Error("The directory is down");
    return enabled;
  };
  const { login, renewal, clock, recordMessages } = startDomain({ userStatus });
  const { session, tokens } = await login();
  const heard = await recordMessages(session.fingerprint);
  await expect(renewal(tokens.renewalToken)).rejects.toThrow("The directory is down");
  clock.advance(lifetimes.grace);
  users.known = true;
  expect(await renewal(tokens.renewalToken)).toBe("renewed");
  expect(heard).toEqual(["renewed"]);
});

describe("reissuing a session", () => {
  const claimsOf = (domain: ReturnType<typeof startDomain>, token: string) => {
    const claims = domain.sessions.identify(token);
    if (claims === undefined) throw new Error("Not one of ours");
    return claims;
  };

  test.each(["accessToken", "renewalToken"] as const)(
    "by an %s of any generation rotates once and supersedes all earlier tokens",
    async (kind) => {
      const domain = startDomain();
      const first = await domain.login();
      const second = await domain.renew(first.tokens.renewalToken);
      const rotated = await domain.sessions.reissue(claimsOf(domain, first.tokens[kind]));
      expect(rotated).toMatchObject({ outcome: "renewed", session: { generation: 2 } });
      expect(await domain.access(second.tokens.accessToken)).toBe("SUPERSEDED");
    },
  );

  test("is refused after the session has ended", async () => {
    const domain = startDomain();
    const { tokens } = await domain.login();
    await domain.logout(tokens.accessToken);
    const rotated = await domain.sessions.reissue(claimsOf(domain, tokens.accessToken));
    expect(rotated).toMatchObject({ outcome: "refused", reason: "ENDED" });
  });

  test("supersedes the caller's token even if the store has lost its renewal", async () => {
    const domain = startDomain();
    const { session, tokens } = await domain.login();
    const renewed = await domain.renew(tokens.renewalToken);
    await domain.store.create(session);
    const rotated = await domain.sessions.reissue(claimsOf(domain, renewed.tokens.accessToken));
    expect(rotated).toMatchObject({ outcome: "renewed", session: { generation: 2 } });
    expect(await domain.access(renewed.tokens.accessToken)).toBe("SUPERSEDED");
  });
});

test("a store that has lost a renewal accepts the later token, and the session continues", async () => {
  const { login, renew, renewal, access, store, clock } = startDomain();
  const { session, tokens } = await login();
  const renewed = await renew(tokens.renewalToken);
  await store.create(session);
  expect(await access(renewed.tokens.accessToken)).toBe("signedIn");
  const next = await renew(renewed.tokens.renewalToken);
  expect(next.session.generation).toBe(2);
  expect(await access(next.tokens.accessToken)).toBe("signedIn");
  expect(await access(renewed.tokens.accessToken)).toBe("SUPERSEDED");
  clock.advance(lifetimes.grace);
  expect(await renewal(tokens.renewalToken)).toBe("REUSED");
});

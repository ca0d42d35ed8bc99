import { describe, expect, test } from "vitest";
import { day, lifetimes, startDomain } from "../helpers/domain.ts";

describe("a logout", () => {
  test.each(["accessToken", "renewalToken"] as const)(
    "by the %s ends the session for both tokens, on every node",
    async (kind) => {
      const { login, logout, node, recordMessages } = startDomain();
      const { session, tokens } = await login();
      const heard = await recordMessages(session.fingerprint);
      expect(await logout(tokens[kind])).toBe(1);
      const elsewhere = node();
      expect(await elsewhere.authenticate(tokens.accessToken)).toMatchObject({ reason: "ENDED" });
      expect(await elsewhere.renew(tokens.renewalToken)).toMatchObject({ reason: "ENDED" });
      expect(heard).toEqual(["LOGOUT"]);
    },
  );

  test.each(["accessToken", "renewalToken"] as const)(
    "by an %s of an earlier generation ends the session",
    async (kind) => {
      const { login, logout, renew, access, renewal } = startDomain();
      const first = await login();
      const second = await renew(first.tokens.renewalToken);
      const third = await renew(second.tokens.renewalToken);
      expect(await logout(first.tokens[kind])).toBe(1);
      expect(await access(third.tokens.accessToken)).toBe("ENDED");
      expect(await renewal(third.tokens.renewalToken)).toBe("ENDED");
    },
  );

  test("by an expired access token ends the session and its renewal token", async () => {
    const { login, logout, renewal, clock } = startDomain();
    const { tokens } = await login();
    clock.advance(lifetimes.access + day);
    expect(await logout(tokens.accessToken)).toBe(1);
    expect(await renewal(tokens.renewalToken)).toBe("ENDED");
  });

  test("by an expired renewal token ends a session that was renewed since", async () => {
    const { login, logout, renew, access, clock } = startDomain();
    const { tokens } = await login();
    clock.advance(lifetimes.renewal - 1);
    const renewed = await renew(tokens.renewalToken);
    clock.advance(1);
    expect(await logout(tokens.renewalToken)).toBe(1);
    expect(await access(renewed.tokens.accessToken)).toBe("ENDED");
  });

  test("of an ended session succeeds, ends nothing, and makes the nodes recheck it", async () => {
    const { login, logout, recordMessages, localChanges } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    expect(await logout(tokens.accessToken)).toBe(1);
    expect(await logout(tokens.accessToken)).toBe(0);
    expect(await logout(tokens.renewalToken)).toBe(0);
    expect(heard).toEqual(["LOGOUT", "uncertain", "uncertain"]);
    expect(localChanges.map(({ type }) => type)).toEqual(["ended", "uncertain", "uncertain"]);
  });

  test("of an expired session ends nothing", async () => {
    const { login, logout, clock, localChanges } = startDomain();
    const { tokens, session } = await login();
    clock.advance(lifetimes.renewal);
    expect(await logout(tokens.renewalToken)).toBe(0);
    expect(localChanges).toEqual([{ type: "uncertain", fingerprint: session.fingerprint }]);
  });

  test.each(["", "garbage", "curfew_access_", `curfew_access_${"A".repeat(88)}`])(
    "by the invalid token %j ends nothing",
    async (token) => {
      const { login, logout, access } = startDomain();
      const { tokens } = await login();
      expect(await logout(token)).toBe(0);
      expect(await access(tokens.accessToken)).toBe("signedIn");
    },
  );

  test("right after the login ends the session", async () => {
    const { login, logout, access, sessions } = startDomain();
    const { tokens } = await login();
    await logout(tokens.accessToken);
    expect(await access(tokens.accessToken)).toBe("ENDED");
    expect(await sessions.list("ada")).toEqual([]);
  });

  test("fifty times concurrently ends the session once", async () => {
    const { login, logout, recordMessages } = startDomain();
    const { session, tokens } = await login();
    const heard = await recordMessages(session.fingerprint);
    const ended = await Promise.all(Array.from({ length: 50 }, () => logout(tokens.accessToken)));
    expect(ended.toSorted().slice(-2)).toEqual([0, 1]);
    expect(heard.filter((what) => what !== "uncertain")).toEqual(["LOGOUT"]);
  });

  test("leaves the user's other sessions and other users' sessions open", async () => {
    const { login, logout, access, recordMessages } = startDomain();
    const [ended, other, stranger] = [await login(), await login(), await login("bob")];
    const heard = await recordMessages(other.session.fingerprint);
    await logout(ended.tokens.accessToken);
    expect(await access(other.tokens.accessToken)).toBe("signedIn");
    expect(await access(stranger.tokens.accessToken)).toBe("signedIn");
    expect(heard).toEqual([]);
  });
});

describe("ending from another device", () => {
  test("ends one of the user's own sessions", async () => {
    const { login, access, sessions, recordMessages } = startDomain();
    const [here, there] = [await login(), await login()];
    const heard = await recordMessages(there.session.fingerprint);
    const { fingerprint } = there.session;
    expect(await sessions.endOwn("ada", fingerprint, "ENDED_BY_USER")).toBe(1);
    expect(await sessions.endOwn("ada", fingerprint, "ENDED_BY_USER")).toBe(0);
    expect(await access(there.tokens.accessToken)).toBe("ENDED");
    expect(await access(here.tokens.accessToken)).toBe("signedIn");
    expect(heard).toEqual(["ENDED_BY_USER"]);
  });

  test("ends no session of another user and no unknown session", async () => {
    const { login, access, sessions, localChanges } = startDomain();
    const { session, tokens } = await login("ada");
    expect(await sessions.endOwn("eve", session.fingerprint, "ENDED_BY_USER")).toBe(0);
    expect(await sessions.endOwn("eve", "never", "ENDED_BY_USER")).toBe(0);
    expect(await access(tokens.accessToken)).toBe("signedIn");
    expect(localChanges).toEqual([]);
  });

  test("of all others keeps the caller's session and other users' sessions", async () => {
    const { login, access, sessions, localChanges } = startDomain();
    const own = await login();
    const others = [await login(), await login(), await login()];
    const stranger = await login("bob");
    const { fingerprint } = own.session;
    expect(await sessions.endOthers("ada", fingerprint, "PASSWORD_CHANGED")).toBe(3);
    expect(await access(own.tokens.accessToken)).toBe("signedIn");
    expect(await access(stranger.tokens.accessToken)).toBe("signedIn");
    for (const { tokens } of others) expect(await access(tokens.accessToken)).toBe("ENDED");
    expect(await sessions.list("ada")).toEqual([own.session]);
    expect(localChanges).toHaveLength(3);
    for (const message of localChanges)
      expect(message).toMatchObject({ reason: "PASSWORD_CHANGED" });
    expect(await sessions.endOthers("ada", fingerprint, "PASSWORD_CHANGED")).toBe(0);
  });

  test("of all except an unknown session ends all", async () => {
    const { login, sessions } = startDomain();
    await Promise.all([login(), login()]);
    expect(await sessions.endOthers("ada", "", "USER_GONE")).toBe(2);
    expect(await sessions.list("ada")).toEqual([]);
  });
});

import { describe, expect, test } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { device, lifetimes, minute, second, secret, startDomain } from "../helpers/domain.ts";

describe("a login", () => {
  test("returns a pair of tokens, whose access token authenticates the session and its user", async () => {
    const { login, sessions } = startDomain();
    const { session, tokens } = await login("ada");
    const authentication = await sessions.authenticate(tokens.accessToken);
    expect(authentication).toMatchObject({
      state: "signedIn",
      session,
      claims: { kind: "access", fingerprint: session.fingerprint },
    });
    expect(session.userId).toBe("ada");
  });

  test("starts a new session each time and leaves the others unchanged", async () => {
    const { login, access, sessions } = startDomain();
    const logins = await Promise.all(Array.from({ length: 100 }, () => login()));
    const distinct = (values: readonly string[]) => new Set(values).size;
    expect(distinct(logins.map(({ session }) => session.fingerprint))).toBe(100);
    expect(distinct(logins.map(({ tokens }) => tokens.accessToken))).toBe(100);
    expect(distinct(logins.map(({ tokens }) => tokens.renewalToken))).toBe(100);
    expect(await sessions.list("ada")).toHaveLength(100);
    for (const { tokens } of logins) expect(await access(tokens.accessToken)).toBe("signedIn");
  });

  test("uses 128 random bits", async () => {
    const sizes: number[] = [];
    const { login } = startDomain({
      randomBytes: (size) => {
        sizes.push(size);
        return new Uint8Array(size).fill(1);
      },
    });
    await login();
    expect(sizes).toEqual([16]);
  });

  test("stores neither a token nor a secret", async () => {
    const secretBytes = Buffer.alloc(16, 0xab);
    const { login, store, clock } = startDomain({ randomBytes: () => secretBytes });
    const { session, tokens } = await login();
    const kept = JSON.stringify(await store.read(session.fingerprint, clock.now));
    for (const token of [tokens.accessToken, tokens.renewalToken]) {
      expect(kept).not.toContain(token);
      expect(kept).not.toContain(token.slice(-43));
    }
    for (const encoding of ["hex", "base64", "base64url", "latin1"] as const)
      expect(kept).not.toContain(secretBytes.toString(encoding));
  });
});

describe("an access token", () => {
  test("is refused with a reason if missing, malformed, forged, of the wrong kind or expired", async () => {
    const { login, access, clock, node } = startDomain();
    const { tokens } = await login();
    const stranger = node({ ring: new KeyRing([secret("another")]) });
    const forged = await stranger.start("ada", device);
    expect(await access(undefined)).toBe("MISSING");
    expect(await access("garbage")).toBe("MALFORMED");
    expect(await access("")).toBe("MALFORMED");
    expect(await access(forged.tokens.accessToken)).toBe("BAD_SIGNATURE");
    expect(await access(tokens.renewalToken)).toBe("WRONG_KIND");
    clock.advance(lifetimes.access);
    expect(await access(tokens.accessToken)).toBe("EXPIRED");
  });

  test("is accepted until the millisecond before its expiry", async () => {
    const { login, access, clock } = startDomain();
    const { session, tokens } = await login();
    clock.now = session.accessExpiresAt - 1;
    expect(await access(tokens.accessToken)).toBe("signedIn");
    clock.now = session.accessExpiresAt;
    expect(await access(tokens.accessToken)).toBe("EXPIRED");
  });

  test("with a lifetime of zero is expired at once", async () => {
    const { login, access } = startDomain({ lifetimes: { ...lifetimes, access: 0 } });
    expect(await access((await login()).tokens.accessToken)).toBe("EXPIRED");
  });

  test("cannot be replaced by the public id of the session", async () => {
    const { login, access, renewal, logout } = startDomain();
    const { session, tokens } = await login();
    const { fingerprint } = session;
    for (const guess of [fingerprint, `curfew_access_${fingerprint}`]) {
      expect(await access(guess)).toBe("MALFORMED");
      expect(await renewal(guess)).toBe("MALFORMED");
      expect(await logout(guess)).toBe(0);
    }
    expect(await access(tokens.accessToken)).toBe("signedIn");
  });

  test("is accepted on a node with another newest key, and refused after its own key is removed", async () => {
    const { login, node } = startDomain({ ring: new KeyRing([secret("a")]) });
    const { tokens } = await login();
    const next = node({ ring: new KeyRing([secret("b"), secret("a")]) });
    const last = node({ ring: new KeyRing([secret("b")]) });
    expect(await next.authenticate(tokens.accessToken)).toMatchObject({ state: "signedIn" });
    const renewed = await next.renew(tokens.renewalToken);
    const renewedToken = renewed.outcome === "renewed" ? renewed.tokens.accessToken : "";
    expect(await last.authenticate(renewedToken)).toMatchObject({ state: "signedIn" });
    expect(await last.authenticate(tokens.accessToken)).toMatchObject({ reason: "BAD_SIGNATURE" });
    expect(await last.renew(tokens.renewalToken)).toMatchObject({ reason: "BAD_SIGNATURE" });
  });
});

describe("a recheck of a running operation", () => {
  test("accepts it through renewals and its token's expiry, until the session ends", async () => {
    const { login, renew, sessions, clock } = startDomain();
    const { tokens } = await login();
    const { claims } = await sessions.authenticate(tokens.accessToken);
    if (claims === undefined) throw new Error("Not signed in");
    clock.advance(lifetimes.access - 1);
    const { session } = await renew(tokens.renewalToken);
    expect(await sessions.check(claims)).toMatchObject({ reason: "SUPERSEDED" });
    clock.now = session.accessExpiresAt;
    expect(await sessions.checkAgain(claims)).toMatchObject({ state: "signedIn", session });
    await sessions.end(session.fingerprint, "LOGOUT");
    expect(await sessions.checkAgain(claims)).toMatchObject({ reason: "ENDED" });
  });
});

describe("lastSeenAt", () => {
  test("is written once a minute, however often the session is used", async () => {
    const { login, access, clock, sessions } = startDomain();
    const { session, tokens } = await login();
    const generationAtRead = new Set<number>();
    for (let i = 0; i < 300; i++) {
      clock.advance(second);
      await access(tokens.accessToken);
      const [listed] = await sessions.list("ada");
      generationAtRead.add(listed?.lastSeenAt ?? 0);
    }
    const minutes = [0, 1, 2, 3, 4, 5].map((number) => session.createdAt + number * minute);
    expect([...generationAtRead]).toEqual(minutes);
  });

  test("is not changed by listing the sessions", async () => {
    const { login, clock, sessions } = startDomain();
    const { session } = await login();
    clock.advance(5 * minute);
    await sessions.readMany([session.fingerprint]);
    expect(await sessions.list("ada")).toEqual([session]);
  });
});

describe("the list of a user's sessions", () => {
  test("is newest first, with times and devices, without other users' sessions", async () => {
    const { login, sessions, clock, renew } = startDomain();
    const first = await login();
    clock.advance(second);
    const latest = await login();
    await login("bob");
    clock.advance(second);
    const { session: renewed } = await renew(first.tokens.renewalToken);
    expect(await sessions.list("ada")).toEqual([latest.session, renewed]);
    expect(renewed).toMatchObject({ ...device, createdAt: first.session.createdAt });
    expect(await sessions.list("unknown")).toEqual([]);
  });

  test("leaves out ended and expired sessions and contains renewed ones", async () => {
    const { login, sessions, clock, logout, renew } = startDomain();
    const [idle, used, ended] = [await login(), await login(), await login()];
    await logout(ended.tokens.accessToken);
    clock.advance(lifetimes.renewal - 1);
    const { session } = await renew(used.tokens.renewalToken);
    expect(await sessions.list("ada")).toHaveLength(2);
    clock.now = idle.session.idleExpiresAt;
    expect(await sessions.list("ada")).toEqual([session]);
  });
});

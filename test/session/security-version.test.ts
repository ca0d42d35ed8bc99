/** The comparison of a session with its user's security version, and the end of everybody's sessions. */
import { describe, expect, test } from "vitest";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import type { UserStatus } from "../../src/session/user-status.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";
import { device, startDomain } from "../helpers/domain.ts";
import { newSession } from "../helpers/sessions.ts";
import { enabled } from "../helpers/users.ts";

/** A domain with one user, whose status the test sets. */
function startWithUser(overrides: Parameters<typeof startDomain>[0] = {}) {
  const user = { status: enabled, reads: 0 };
  const userStatus = async (): Promise<UserStatus> => {
    user.reads += 1;
    return user.status;
  };
  return { ...startDomain({ userStatus, ...overrides }), user };
}

const raised = (securityVersion: number, securityReason?: UserStatus["securityReason"]) =>
  ({ disabled: false, securityVersion, securityReason }) as const;

describe("a renewal after the user's security version was raised", () => {
  test.each([
    ["PASSWORD_CHANGED", "PASSWORD_CHANGED"],
    ["USER_GONE", "USER_GONE"],
    [undefined, "ENDED_BY_OPERATOR"],
  ] as const)(
    "for the reason %s is refused with ENDED and ends the session by %s",
    async (reason, expected) => {
      const { login, sessions, user, audited, access, recordMessages } = startWithUser();
      const { session, tokens } = await login();
      const heard = await recordMessages(session.fingerprint);
      user.status = raised(1, reason);
      expect(await sessions.renew(tokens.renewalToken)).toMatchObject({
        outcome: "refused",
        reason: "ENDED",
        endReason: expected,
      });
      expect(await access(tokens.accessToken)).toBe("ENDED");
      expect(heard).toEqual([expected]);
      expect(audited.map(({ event }) => event)).toEqual(["login", "end", "renewalRefused"]);
      expect(audited[1]).toMatchObject({ reason: expected, by: "system" });
    },
  );

  test("succeeds for a session that began under that version or a higher one, and reads the user once", async () => {
    const { sessions, user } = startWithUser();
    user.status = raised(3, "ENDED_BY_OPERATOR");
    for (const version of [3, 4]) {
      const { tokens } = await sessions.start("ada", device, version);
      user.reads = 0;
      const renewal = await sessions.renew(tokens.renewalToken);
      expect(renewal).toMatchObject({ outcome: "renewed", session: { securityVersion: version } });
      expect(user.reads).toBe(1);
    }
  });

  test("waits for a password change to reach the session that made it, and then does not end it", async () => {
    const pauses: (() => void)[] = [];
    const passwordChangePause = () => new Promise<void>((resolve) => pauses.push(resolve));
    const { login, sessions, user, access } = startWithUser({ passwordChangePause });
    const { tokens } = await login();
    const claims = sessions.identify(tokens.accessToken);
    if (claims === undefined) throw new Error("Not one of ours");
    user.status = raised(1, "PASSWORD_CHANGED");
    const early = sessions.renew(tokens.renewalToken);
    await expect.poll(() => pauses.length).toBe(1);
    const reissued = await sessions.reissue(claims, device, 1);
    for (const goOn of pauses) goOn();
    expect(await early).toMatchObject({ outcome: "refused", reason: "SUPERSEDED" });
    if (reissued.outcome !== "renewed") throw new Error(reissued.reason);
    expect(await access(reissued.tokens.accessToken)).toBe("signedIn");
    expect(await sessions.renew(reissued.tokens.renewalToken)).toMatchObject({
      outcome: "renewed",
      session: { securityVersion: 1 },
    });
  });

  test("does not wait for any other reason", async () => {
    const passwordChangePause = () => Promise.reject(new Error("It waited."));
    const { login, renewal, user } = startWithUser({ passwordChangePause });
    const { tokens } = await login();
    user.status = raised(1, "ENDED_BY_OPERATOR");
    expect(await renewal(tokens.renewalToken)).toBe("ENDED");
  });

  test("of a session that ended meanwhile does not claim to know why", async () => {
    const domain: ReturnType<typeof startWithUser> = startWithUser({
      passwordChangePause: () => domain.logout(tokens.accessToken),
    });
    const { tokens } = await domain.login();
    domain.user.status = raised(1, "PASSWORD_CHANGED");
    const refused = await domain.sessions.renew(tokens.renewalToken);
    expect(refused).toMatchObject({ outcome: "refused", reason: "ENDED" });
    expect(refused).not.toHaveProperty("endReason");
  });
});

test("a session that starts without a security version gets the user's current one", async () => {
  const { login } = startWithUser({ securityVersionOf: async () => 5 });
  expect((await login()).session.securityVersion).toBe(5);
  const { login: loginWithout } = startWithUser();
  expect((await loginWithout()).session.securityVersion).toBe(0);
});

describe("a session whose user was read for another purpose", () => {
  test("outlasts a user of its version, and is ended by a higher one", async () => {
    const { login, sessions, localChanges } = startWithUser();
    const { session } = await login();
    expect(await sessions.outlasts(session, {})).toBe(true);
    expect(await sessions.outlasts(session, raised(0))).toBe(true);
    expect(await sessions.outlasts(session, raised(1, "USER_GONE"))).toBe(false);
    await expect.poll(() => localChanges).toMatchObject([{ type: "ended", reason: "USER_GONE" }]);
    expect(await sessions.list("ada")).toEqual([]);
  });

  test("outlasts it if only the caller's copy of the session is old", async () => {
    const { login, sessions } = startWithUser();
    const { session, tokens } = await login();
    const claims = sessions.identify(tokens.accessToken);
    if (claims === undefined) throw new Error("Not one of ours");
    await sessions.reissue(claims, device, 1);
    expect(await sessions.outlasts(session, raised(1, "PASSWORD_CHANGED"))).toBe(true);
  });
});

describe("ending everybody", () => {
  test("ends the sessions that began before, of all users, and reports progress", async () => {
    const { login, sessions, clock, store, audited } = startDomain();
    for (const userId of ["ada", "bob", "bob"]) await login(userId);
    clock.advance(1);
    const later = await login("bob");
    const progress: number[] = [];
    const ended = await sessions.endEverybody(
      clock.now,
      "ENDED_BY_OPERATOR",
      { by: "operator" },
      (count) => progress.push(count),
    );
    expect(ended).toBe(3);
    expect(progress.at(-1)).toBe(3);
    expect(await sessions.list("ada")).toEqual([]);
    expect(await sessions.list("bob")).toEqual([
      await store.read(later.session.fingerprint, clock.now),
    ]);
    expect(audited.filter(({ event }) => event === "end")).toMatchObject(
      Array.from({ length: 3 }, () => ({ reason: "ENDED_BY_OPERATOR", by: "operator" })),
    );
  });

  test("scans again until it finds none, because a scan may miss what moves meanwhile", async () => {
    let scans = 0;
    const store = intercept<SessionStore>(memoryStore(), {
      scan: (real) =>
        async function* () {
          scans += 1;
          const all = await Array.fromAsync(real?.() ?? []);
          const [first = "", ...others] = all.flat();
          yield scans === 1 ? [first] : [first, ...others];
        },
    });
    const { login, sessions, clock } = startDomain({ store });
    for (let i = 0; i < 3; i += 1) await login();
    const ended = await sessions.endEverybody(clock.now + 1, "ENDED_BY_OPERATOR");
    expect({ ended, scans }).toEqual({ ended: 3, scans: 3 });
  });

  test("fails in a store that cannot list its sessions", async () => {
    const store = intercept<SessionStore>(memoryStore(), { scan: () => undefined });
    const { sessions, clock } = startDomain({ store });
    await expect(sessions.endEverybody(clock.now, "ENDED_BY_OPERATOR")).rejects.toThrow(
      "The session store cannot list all sessions",
    );
  });

  test("ends the other sessions if the store does not answer for one, and then fails", async () => {
    let unread = "";
    const store = intercept<SessionStore>(memoryStore(), {
      read: (real) => async (fingerprint, now) => {
        if (fingerprint === unread) throw new StoreUnavailable("Not for this one.");
        return real(fingerprint, now);
      },
      end: (real) => async (fingerprint, now, request) => {
        if (fingerprint === unread) throw new StoreUnavailable("Not for this one.");
        return real(fingerprint, now, request);
      },
    });
    const { login, sessions, clock } = startDomain({ store });
    for (let i = 0; i < 3; i += 1) await login();
    unread = (await login()).session.fingerprint;
    const ending = sessions.endEverybody(clock.now + 1, "ENDED_BY_OPERATOR");
    await expect(ending).rejects.toBeInstanceOf(StoreUnavailable);
    expect(await sessions.list("ada")).toMatchObject([{ fingerprint: unread }]);
  });

  test("counts no session that has expired or that another call ends", async () => {
    const { store, sessions, clock } = startDomain();
    await store.create(newSession("ada", clock.now - 1_000_000_000));
    await store.create(newSession("ada", clock.now - 1));
    const calls = [1, 2].map(() => sessions.endEverybody(clock.now, "ENDED_BY_OPERATOR"));
    const counts = await Promise.all(calls);
    expect(counts.toSorted((a, b) => a - b)).toEqual([0, 1]);
  });
});

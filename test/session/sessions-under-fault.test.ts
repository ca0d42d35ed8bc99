import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { lifetimes, minute, rethrow, second, startDomain, type Domain } from "../helpers/domain.ts";
import { until } from "../helpers/until.ts";
import { enabled } from "../helpers/users.ts";
import type { UserStatus } from "../../src/session/user-status.ts";

/** A pub/sub that rejects every message while it is down. */
class BrokenTopics extends MemoryPubSub {
  down = true;

  override async publish(topic: string, message: unknown): Promise<void> {
    if (this.down) throw new StoreUnavailable("Down for a test");
    await super.publish(topic, message);
  }
}

/** A real store that counts its calls, can be delayed and can be down. */
function wrapStore() {
  const store: SessionStore = new SqliteSessions(new DatabaseSync(":memory:"));
  const state = { down: false, calls: [] as string[], before: async (_call: string) => {} };
  const wrapped = new Proxy<SessionStore>(store, {
    get:
      (_, name: Exclude<keyof SessionStore, symbol>) =>
      async (...args: never[]) => {
        state.calls.push(name);
        await state.before(name);
        if (state.down) throw new StoreUnavailable("Down for a test");
        return (store[name] as (...given: never[]) => Promise<unknown>)(...args);
      },
  });
  return Object.assign(state, { store: wrapped });
}

describe("a message that cannot be sent", () => {
  const startMute = () => {
    const pubsub = new BrokenTopics(rethrow);
    return { ...startDomain({ pubsub }), pubsub };
  };

  test("does not make a login, a renewal or a logout fail", async () => {
    const { login, renew, access, logout } = startMute();
    const { tokens } = await login();
    const renewed = await renew(tokens.renewalToken);
    expect(await access(renewed.tokens.accessToken)).toBe("signedIn");
    expect(await logout(renewed.tokens.accessToken)).toBe(1);
    expect(await access(renewed.tokens.accessToken)).toBe("ENDED");
  });

  test("is reported, and reaches this node's listeners nevertheless", async () => {
    const { login, logout, localChanges, reportedErrors } = startMute();
    const { session, tokens } = await login();
    await logout(tokens.accessToken);
    expect(localChanges).toMatchObject([{ type: "ended", session, reason: "LOGOUT" }]);
    const fault = "a message to the other nodes was not sent";
    // The start of the session, and its end on two topics.
    expect(reportedErrors).toEqual([fault, fault, fault]);
  });

  test("about a reuse does not keep the session from ending", async () => {
    const { login, renew, renewal, access, clock, localChanges } = startMute();
    const { tokens } = await login();
    const renewed = await renew(tokens.renewalToken);
    clock.advance(lifetimes.grace);
    expect(await renewal(tokens.renewalToken)).toBe("REUSED");
    expect(await access(renewed.tokens.accessToken)).toBe("ENDED");
    expect(localChanges.at(-1)).toMatchObject({ type: "ended", reason: "RENEWAL_REUSED" });
  });
});

test("a local listener is called before the message is published, and not after it was removed", async () => {
  const { sessions, login, logout, recordMessages } = startDomain();
  const [one, two] = [await login(), await login()];
  const heard = await recordMessages(one.session.fingerprint);
  const heardBefore: number[] = [];
  const leave = sessions.onLocalChange(() => heardBefore.push(heard.length));
  await logout(one.tokens.accessToken);
  expect(heardBefore).toEqual([0]);
  leave();
  await logout(two.tokens.accessToken);
  expect(heardBefore).toEqual([0]);
});

test("a local listener that fails stops neither other listeners nor the message", async () => {
  const { sessions, login, logout, recordMessages, reportedErrors } = startDomain();
  const { session, tokens } = await login();
  const heard = await recordMessages(session.fingerprint);
  const localChanges: string[] = [];
  sessions.onLocalChange(() => rethrow("broken"));
  sessions.onLocalChange(({ type }) => localChanges.push(type));
  expect(await logout(tokens.accessToken)).toBe(1);
  expect(localChanges).toEqual(["ended"]);
  await until(() => heard.length > 0);
  expect(heard).toEqual(["LOGOUT"]);
  expect(reportedErrors).toEqual(["a local listener of session changes failed"]);
});

describe("an unavailable store", () => {
  test("makes authentication unavailable, neither signed in nor signed out", async () => {
    const state = wrapStore();
    const { login, access, sessions } = startDomain({ store: state.store });
    const { session, tokens } = await login();
    state.down = true;
    const answer = await sessions.authenticate(tokens.accessToken);
    expect(answer).toMatchObject({
      state: "unavailable",
      claims: { fingerprint: session.fingerprint },
      cause: expect.any(StoreUnavailable),
    });
    expect(answer).not.toHaveProperty("session");
    const { claims } = answer;
    expect(claims && (await sessions.checkAgain(claims))).toMatchObject({ state: "unavailable" });
    state.down = false;
    expect(await access(tokens.accessToken)).toBe("signedIn");
  });

  test("rejects a login, a renewal, a logout and a list, and publishes only uncertain messages", async () => {
    const state = wrapStore();
    const {
      login,
      renewal,
      logout,
      sessions,
      localChanges: witnessed,
    } = startDomain({ store: state.store });
    const { tokens, session } = await login();
    state.down = true;
    const attempts = [
      login(),
      renewal(tokens.renewalToken),
      logout(tokens.accessToken),
      sessions.list("ada"),
      sessions.readMany([session.fingerprint]),
      sessions.endOthers("ada", "", "LOGOUT"),
    ];
    for (const attempt of attempts) await expect(attempt).rejects.toThrow(StoreUnavailable);
    expect(witnessed).toEqual([{ type: "uncertain", fingerprint: session.fingerprint }]);
    state.down = false;
    expect(await renewal(tokens.renewalToken)).toBe("renewed");
  });

  test("is not read for a token that is refused without it", async () => {
    const state = wrapStore();
    const { login, access, renewal, clock } = startDomain({ store: state.store });
    const { tokens } = await login();
    state.calls = [];
    for (const token of [undefined, "garbage", tokens.renewalToken]) await access(token);
    for (const token of ["", "garbage", tokens.accessToken]) await renewal(token);
    clock.advance(lifetimes.access);
    expect(await access(tokens.accessToken)).toBe("EXPIRED");
    expect(state.calls).toEqual([]);
  });

  test("is read once per access token, and touched once a minute", async () => {
    const state = wrapStore();
    const { login, access, clock } = startDomain({ store: state.store });
    const { tokens } = await login();
    state.calls = [];
    for (let i = 0; i < 180; i++) {
      clock.advance(second);
      expect(await access(tokens.accessToken)).toBe("signedIn");
    }
    expect(state.calls.filter((call) => call === "read")).toHaveLength(180);
    expect(state.calls.filter((call) => call === "touch")).toHaveLength(3);
  });

  test("does not fail the caller when only the touch fails", async () => {
    const state = wrapStore();
    const { login, access, clock, reportedErrors } = startDomain({ store: state.store });
    const { tokens } = await login();
    clock.advance(minute);
    state.before = async (call) => {
      if (call === "touch") throw new StoreUnavailable("Full");
    };
    expect(await access(tokens.accessToken)).toBe("signedIn");
    await Promise.resolve();
    expect(reportedErrors).toEqual(["the last use of a session was not recorded"]);
  });

  test("whose error is no StoreUnavailable makes the call reject", async () => {
    const state = wrapStore();
    const { login, access } = startDomain({ store: state.store });
    const { tokens } = await login();
    state.before = async () => Promise.reject(new TypeError("A mistake"));
    await expect(access(tokens.accessToken)).rejects.toThrow(TypeError);
  });
});

describe("a renewal concurrent with the end of its session", () => {
  type Pair = { readonly accessToken: string; readonly renewalToken: string };

  async function expectNothingAccepted(domain: Domain, pairs: Pair[]) {
    for (const { accessToken, renewalToken } of pairs) {
      expect(await domain.access(accessToken)).toBe("ENDED");
      expect(await domain.renewal(renewalToken)).toBe("ENDED");
    }
    expect(await domain.sessions.list("ada")).toEqual([]);
  }

  test("leaves no token accepted when the renewal comes first", async () => {
    const domain = startDomain();
    const { tokens } = await domain.login();
    const renewed = await domain.renew(tokens.renewalToken);
    await domain.logout(tokens.accessToken);
    await expectNothingAccepted(domain, [tokens, renewed.tokens]);
  });

  test("is refused when the end comes first", async () => {
    const domain = startDomain();
    const { tokens } = await domain.login();
    await domain.logout(tokens.accessToken);
    expect(await domain.renewal(tokens.renewalToken)).toBe("ENDED");
    await expectNothingAccepted(domain, [tokens]);
  });

  test("leaves no token accepted when the end comes during the user lookup", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<UserStatus>();
    const domain = startDomain({
      userStatus: async () => {
        asked.resolve();
        return answer.promise;
      },
    });
    const { tokens } = await domain.login();
    const renewing = domain.sessions.renew(tokens.renewalToken);
    await asked.promise;
    expect(await domain.logout(tokens.accessToken)).toBe(1);
    answer.resolve(enabled);
    const late = await renewing;
    const pairs = late.outcome === "renewed" ? [tokens, late.tokens] : [tokens];
    await expectNothingAccepted(domain, pairs);
  });

  test.each([
    ["a logout", ({ logout }: Domain, token: string) => logout(token)],
    [
      "a password change elsewhere",
      ({ sessions }: Domain) => sessions.endOthers("ada", "elsewhere", "PASSWORD_CHANGED"),
    ],
  ])("leaves no token accepted in fifty runs with %s", async (_, end) => {
    const domain = startDomain();
    for (let round = 0; round < 50; round++) {
      const { tokens } = await domain.login();
      const pairs: Pair[] = [tokens];
      const renewing = async () => {
        const renewal = await domain.sessions.renew(tokens.renewalToken);
        if (renewal.outcome === "renewed") pairs.push(renewal.tokens);
      };
      const ending = () => end(domain, tokens.accessToken);
      const crowd = Array.from({ length: 10 }, (__, i) => (i === round % 10 ? ending : renewing));
      await Promise.all(crowd.map((act) => act()));
      await expectNothingAccepted(domain, pairs);
    }
  });
});

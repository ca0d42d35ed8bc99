import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { SqliteSessions } from "../../src/stores/sqlite/sessions.ts";
import { lifetimes, minute, rethrow, second, startDomain, type Domain } from "../helpers/domain.ts";
import { until } from "../helpers/until.ts";

/** Topics that take no message while they are down. */
class BrokenTopics extends MemoryPubSub {
  down = true;

  override async publish(topic: string, message: unknown): Promise<void> {
    if (this.down) throw new StoreUnavailable("Nobody there");
    await super.publish(topic, message);
  }
}

/** A real store that counts what it is asked, takes its time when it is told to, and can be down. */
function wrapStore() {
  const store = new SqliteSessions(new DatabaseSync(":memory:"));
  const state = { down: false, calls: [] as string[], before: async (_call: string) => {} };
  const wrapped = new Proxy<SessionStore>(store, {
    get:
      (_, name: Exclude<keyof SessionStore, symbol>) =>
      async (...args: never[]) => {
        state.calls.push(name);
        await state.before(name);
        if (state.down) throw new StoreUnavailable("Nobody there");
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

  test("does not keep a login, a renewal or a logout from happening", async () => {
    const { login, renew, access, logout } = startMute();
    const { tokens } = await login();
    const renewed = await renew(tokens.renewalToken);
    expect(await access(renewed.tokens.accessToken)).toBe("signedIn");
    expect(await logout(renewed.tokens.accessToken)).toBe(1);
    expect(await access(renewed.tokens.accessToken)).toBe("ENDED");
  });

  test("is reported, and this node knows nevertheless", async () => {
    const { login, logout, localChanges, reportedErrors } = startMute();
    const { session, tokens } = await login();
    await logout(tokens.accessToken);
    expect(localChanges).toMatchObject([{ type: "ended", session, reason: "LOGOUT" }]);
    const fault = "a message to the other nodes was not sent";
    expect(reportedErrors).toEqual([fault, fault]);
  });

  test("of reuse ends the session all the same", async () => {
    const { login, renew, renewal, access, clock, localChanges } = startMute();
    const { tokens } = await login();
    const renewed = await renew(tokens.renewalToken);
    clock.advance(lifetimes.grace);
    expect(await renewal(tokens.renewalToken)).toBe("REUSED");
    expect(await access(renewed.tokens.accessToken)).toBe("ENDED");
    expect(localChanges.at(-1)).toMatchObject({ type: "ended", reason: "RENEWAL_REUSED" });
  });
});

test("a witness is told before the message goes out, and not after it took his leave", async () => {
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

test("a witness who fails keeps no other, and no message, from an end", async () => {
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
  expect(reportedErrors).toEqual(["a witness of a session's change failed"]);
});

describe("a store that cannot be asked", () => {
  test("makes nobody signed in and nobody signed out", async () => {
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

  test("fails a login, a renewal, a logout and a list, and promises nothing but to look again", async () => {
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

  test("is not asked about a token that says enough itself", async () => {
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

  test("is asked once for an access token, and touched once a minute", async () => {
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

  test("does not fail the caller when only the note of his visit fails", async () => {
    const state = wrapStore();
    const { login, access, clock, reportedErrors } = startDomain({ store: state.store });
    const { tokens } = await login();
    clock.advance(minute);
    state.before = async (call) => {
      if (call === "touch") throw new StoreUnavailable("Full");
    };
    expect(await access(tokens.accessToken)).toBe("signedIn");
    await Promise.resolve();
    expect(reportedErrors).toEqual(["the last use of a session was not noted"]);
  });

  test("which is not its own doing, is no outage but an error", async () => {
    const state = wrapStore();
    const { login, access } = startDomain({ store: state.store });
    const { tokens } = await login();
    state.before = async () => Promise.reject(new TypeError("A mistake"));
    await expect(access(tokens.accessToken)).rejects.toThrow(TypeError);
  });
});

describe("a renewal that races with the end of its session", () => {
  type Pair = { readonly accessToken: string; readonly renewalToken: string };

  async function expectNothingAccepted(domain: Domain, pairs: Pair[]) {
    for (const { accessToken, renewalToken } of pairs) {
      expect(await domain.access(accessToken)).toBe("ENDED");
      expect(await domain.renewal(renewalToken)).toBe("ENDED");
    }
    expect(await domain.sessions.list("ada")).toEqual([]);
  }

  test("and comes first leaves nothing accepted", async () => {
    const domain = startDomain();
    const { tokens } = await domain.login();
    const renewed = await domain.renew(tokens.renewalToken);
    await domain.logout(tokens.accessToken);
    await expectNothingAccepted(domain, [tokens, renewed.tokens]);
  });

  test("and comes second is refused", async () => {
    const domain = startDomain();
    const { tokens } = await domain.login();
    await domain.logout(tokens.accessToken);
    expect(await domain.renewal(tokens.renewalToken)).toBe("ENDED");
    await expectNothingAccepted(domain, [tokens]);
  });

  test("and is overtaken while the user is looked up leaves nothing accepted", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<boolean>();
    const domain = startDomain({
      isUserDisabled: async () => {
        asked.resolve();
        return answer.promise;
      },
    });
    const { tokens } = await domain.login();
    const renewing = domain.sessions.renew(tokens.renewalToken);
    await asked.promise;
    expect(await domain.logout(tokens.accessToken)).toBe(1);
    answer.resolve(false);
    const late = await renewing;
    const pairs = late.outcome === "renewed" ? [tokens, late.tokens] : [tokens];
    await expectNothingAccepted(domain, pairs);
  });

  test.each([
    ["a logout", ({ logout }: Domain, token: string) => logout(token)],
    [
      "a change of the password elsewhere",
      ({ sessions }: Domain) => sessions.endOthers("ada", "elsewhere", "PASSWORD_CHANGED"),
    ],
  ])("fifty times over with %s, in whatever order, leaves nothing accepted", async (_, end) => {
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

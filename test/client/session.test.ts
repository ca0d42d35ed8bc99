/** The client's session by itself and among tabs, on a clock that is moved and a network that fails. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { createSession } from "../../src/client/index.ts";
import { prompt, World, type Fate } from "./fake-network.ts";

afterEach(() => vi.restoreAllMocks());

const second = 1_000;
const minute = 60 * second;

function newWorld(options: Partial<ConstructorParameters<typeof World>[0]> = {}) {
  return new World({ createSession, ...options });
}

describe("a session", () => {
  it("is signed out when nothing is kept and there are no other tabs", async () => {
    await using world = newWorld({ replacements: { openChannel: () => undefined } });
    const tab = world.open();
    expect(tab.state).toEqual({ status: "signedOut", reason: undefined });
    expect(await world.outcome(tab.accessToken())).toBeUndefined();
  });

  it("tells its listeners of login and logout, and not of renewals", async () => {
    await using world = newWorld();
    const tab = world.open();
    const states: unknown[] = [];
    tab.subscribe((state) => states.push(state));
    const sessionId = await world.login(tab);
    await world.pass(60 * minute);
    expect(world.renewals).toBeGreaterThan(1);
    await world.outcome(tab.logout());
    expect(states).toEqual([
      { status: "signedIn", sessionId, userId: "ada" },
      { status: "signedOut", reason: "LOGOUT" },
    ]);
    expect(await world.isLive(sessionId)).toBe(false);
  });

  it("does not stumble over a listener that throws", async () => {
    await using world = newWorld();
    const tab = world.open();
    const thrown: unknown[] = [];
    vi.spyOn(globalThis, "queueMicrotask").mockImplementation((task) => {
      try {
        task();
      } catch (error) {
        thrown.push(error);
      }
    });
    tab.subscribe(() => {
      throw new Error("a fault of the app");
    });
    await world.login(tab);
    expect(thrown).toEqual([new Error("a fault of the app")]);
    await world.pass(30 * minute);
    expect(world.renewals).toBe(1);
  });

  it("renews ahead of the expiry, whatever the clock here says", async () => {
    for (const skew of [-365 * 24 * 60 * minute, 0, 365 * 24 * 60 * minute]) {
      await using world = newWorld({ skew });
      const tab = world.open();
      await world.login(tab);
      await world.pass(20 * minute);
      expect(world.renewals).toBe(0);
      await world.pass(5 * minute);
      expect(world.renewals).toBe(1);
    }
  });

  it("keeps its times when the clock is set", async () => {
    for (const jump of [-60 * minute, 60 * minute]) {
      await using world = newWorld();
      const tab = world.open();
      await world.login(tab);
      world.skew = jump;
      for (let passed = 0; passed < 60; passed += 1) {
        await world.pass(minute);
        const token = await world.outcome(tab.accessToken());
        expect(world.isValid(String(token))).toBe(true);
      }
      expect(world.renewals).toBeLessThan(5);
    }
  });

  it("gives a fresh token after the machine slept, and to all who ask by one renewal", async () => {
    await using world = newWorld({ replacements: { onWake: () => () => {} } });
    const tab = world.open();
    await world.login(tab);
    await world.sleep(3 * 60 * minute);
    const tokens = await world.outcome(Promise.all([tab.accessToken(), tab.accessToken()]));
    expect(tokens).toEqual([expect.any(String), expect.any(String)]);
    expect(world.isValid((tokens as string[])[0] ?? "")).toBe(true);
    expect(world.renewals).toBe(1);
  });

  it("renews when the machine wakes, before anybody asks", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    await world.sleep(3 * 60 * minute);
    await world.pass(second);
    expect(world.renewals).toBe(1);
  });

  const network: readonly Fate["type"][] = ["lost", "swallowed", "status503", "unavailable"];
  it.each(network)("outlives a day in which every renewal is %s", async (type) => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    world.fates.push(...Array.from({ length: 100_000 }, () => ({ type }) as Fate));
    await world.pass(40 * minute);
    const outcome = await world.outcome(tab.accessToken());
    expect(outcome).toMatchObject({ name: "RequestFailed" });
    expect(tab.state.status).toBe("signedIn");
    world.fates.length = 0;
    await world.pass(30 * second);
    expect(world.isValid(String(await world.outcome(tab.accessToken())))).toBe(true);
  });

  it("waits as long as a throttled renewal is told to", async () => {
    await using world = newWorld({ fates: [prompt, { type: "throttled" }] });
    const tab = world.open();
    await world.login(tab);
    await world.sleep(40 * minute);
    expect(await world.outcome(tab.accessToken())).toMatchObject({ code: "TOO_MANY_ATTEMPTS" });
    await world.pass(4 * second);
    expect(world.renewals).toBe(0);
    await world.pass(2 * second);
    expect(world.renewals).toBe(1);
    expect(tab.state.status).toBe("signedIn");
  });

  it.each<Fate["type"]>(["answerLost", "answerSwallowed"])(
    "gets the pair again whose answer was lost: %s",
    async (type) => {
      await using world = newWorld({ fates: [prompt, { type } as Fate] });
      const tab = world.open();
      const sessionId = await world.login(tab);
      await world.pass(30 * minute);
      expect(world.renewals).toBe(2);
      expect(world.refusals).toEqual([]);
      expect(await world.isLive(sessionId)).toBe(true);
      expect(world.isValid(String(await world.outcome(tab.accessToken())))).toBe(true);
      // And knows that it is older than its answer.
      world.fates.push(...Array.from({ length: 1000 }, () => ({ type: "lost" }) as const));
      for (let passed = 0; passed < 40 * minute; passed += second) {
        const token = await world.outcome(tab.accessToken(), 20 * second);
        if (typeof token === "string" && token !== "pending")
          expect(world.isValid(token)).toBe(true);
      }
    },
  );

  it.each<Fate["type"]>(["answerLost", "answerSwallowed"])(
    "is signed out by a change of its password whose answer it does not get, and says why: %s",
    async (type) => {
      await using world = newWorld({ fates: [prompt, { type } as Fate] });
      const [tab, other] = [world.open(), world.open()];
      await world.pass(200);
      await world.login(tab);
      const change = tab.changePassword({ currentPassword: "one", newPassword: "other" });
      expect(await world.outcome(change)).toMatchObject({ name: "RequestFailed" });
      await world.pass(second);
      const signedOut = { status: "signedOut", reason: "SUPERSEDED" };
      expect([tab.state, other.state]).toEqual([signedOut, signedOut]);
      expect(world.refusals).toEqual(["SUPERSEDED"]);
      const sessionId = await world.login(tab);
      await world.pass(60 * minute);
      for (const { state } of world.tabs) expect(state).toMatchObject({ sessionId });
    },
  );

  it.each<Fate["type"]>(["lost", "swallowed"])(
    "outlives a change of its password that does not arrive: %s",
    async (type) => {
      await using world = newWorld({ fates: [prompt, { type } as Fate] });
      const tab = world.open();
      const sessionId = await world.login(tab);
      const change = tab.changePassword({ currentPassword: "one", newPassword: "other" });
      expect(await world.outcome(change)).toMatchObject({ name: "RequestFailed" });
      await world.pass(60 * minute);
      expect(world.refusals).toEqual([]);
      expect(await world.isLive(sessionId)).toBe(true);
    },
  );

  it("ends when the server refuses to renew, and says why", async () => {
    await using world = newWorld();
    const tab = world.open();
    const sessionId = await world.login(tab);
    await world.sessions.end(sessionId, "ENDED_BY_USER");
    await world.pass(30 * minute);
    expect(tab.state).toEqual({ status: "signedOut", reason: "ENDED" });
    expect(await world.outcome(tab.accessToken())).toBeUndefined();
  });

  it("ends when it is told that its token's session has ended, and not for that of another", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    const before = await world.access(tab);
    const sessionId = await world.login(tab);
    tab.refused(before, "ENDED");
    expect(tab.state).toMatchObject({ status: "signedIn", sessionId });
    tab.refused({ ...before, sessionId }, "ENDED");
    expect(tab.state).toEqual({ status: "signedOut", reason: "ENDED" });
  });

  it("renews a token that the server did not accept, once however many say so", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    const access = await world.access(tab);
    for (let i = 0; i < 10; i += 1) tab.refused(access, "SUPERSEDED");
    const token = await world.outcome(tab.accessToken());
    expect(token).not.toBe(access.token);
    expect(world.renewals).toBe(1);
    tab.refused(access, "EXPIRED");
    await world.pass(minute);
    expect(world.renewals).toBe(1);
  });

  it("ends the session before when somebody logs in over it", async () => {
    await using world = newWorld();
    const tab = world.open();
    const before = await world.login(tab);
    const after = await world.login(tab);
    await world.pass(second);
    expect([await world.isLive(before), await world.isLive(after)]).toEqual([false, true]);
  });

  it("tells the server of a logout that got lost at first, and is signed out meanwhile", async () => {
    await using world = newWorld({ fates: [prompt, { type: "lost" }, { type: "swallowed" }] });
    const tab = world.open();
    const sessionId = await world.login(tab);
    const logout = tab.logout();
    await world.pass(0);
    expect(tab.state).toEqual({ status: "signedOut", reason: "LOGOUT" });
    expect(await world.outcome(logout)).toBeUndefined();
    expect(await world.isLive(sessionId)).toBe(false);
  });

  it("says so when the server cannot be told of a logout", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    world.fates.push(...Array.from({ length: 8 }, () => ({ type: "lost" }) as const));
    expect(await world.outcome(tab.logout(), 5 * minute)).toMatchObject({ name: "RequestFailed" });
    expect(tab.state.status).toBe("signedOut");
  });

  it("is not signed in again by a renewal that was under way when it was signed out", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    await world.sleep(40 * minute);
    await world.pass(60);
    expect(world.mostAtOnce).toBe(1);
    await world.outcome(tab.logout());
    await world.pass(second);
    expect(tab.state).toEqual({ status: "signedOut", reason: "LOGOUT" });
  });

  it("lives to the end of its longest life, without hurry at the last", async () => {
    const short = {
      access: 10 * minute,
      renewal: 60 * minute,
      absolute: 60 * minute,
      grace: 10_000,
    };
    await using world = newWorld({ lifetimes: short });
    const tab = world.open();
    await world.login(tab);
    await world.pass(61 * minute);
    expect(tab.state).toEqual({ status: "signedOut", reason: "EXPIRED" });
    expect(world.renewals).toBeLessThan(25);
  });

  it("takes up nothing when the answer to a login comes after it was disposed of", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.pass(200);
    const login = tab.login({ email: "ada@example.com", password: "correct horse" });
    tab.dispose();
    expect(await world.outcome(login)).toMatchObject({ __typename: "SignedIn" });
    await world.pass(24 * 60 * minute);
    expect(world.renewals).toBe(0);
    expect(await world.outcome(tab.accessToken())).toBeUndefined();
  });

  it("does nothing more when it is disposed of", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    tab.dispose();
    await world.pass(24 * 60 * minute);
    expect(world.renewals).toBe(0);
    expect(await world.outcome(tab.accessToken())).toBeUndefined();
  });
});

describe("with a storage", () => {
  function newStorage() {
    const items = new Map<string, string>();
    return {
      items,
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
      removeItem: (key: string) => void items.delete(key),
    };
  }

  it("is signed in again at once after the page was loaded anew, until it is signed out", async () => {
    await using world = newWorld();
    const storage = newStorage();
    const tab = world.open({ storage });
    const sessionId = await world.login(tab);
    tab.dispose();
    await world.sleep(3 * 60 * minute);
    const next = world.open({ storage });
    expect(next.state).toMatchObject({ status: "signedIn", sessionId });
    expect(world.isValid(String(await world.outcome(next.accessToken())))).toBe(true);
    await world.outcome(next.logout());
    expect(storage.items.size).toBe(0);
  });

  it.each([
    "{",
    "null",
    '"text"',
    '{"renewalToken":1}',
    // A part of one, such as another version may have written.
    '{"sessionId":"s","userId":"u","accessToken":"a","renewalToken":"r","lifetime":60000}',
  ])("takes %s for nothing", async (text) => {
    await using world = newWorld();
    const storage = newStorage();
    storage.items.set("curfew:https://curfew.test/graphql", text);
    const tab = world.open({ storage });
    await world.pass(second);
    expect(tab.state).toEqual({ status: "signedOut", reason: undefined });
  });

  it("of each tab's own has what the other tabs renewed, when those are gone", async () => {
    await using world = newWorld();
    const [storage, other] = [newStorage(), newStorage()];
    const tab = world.open({ storage });
    await world.pass(200);
    const first = world.open({ storage: other });
    await world.pass(200);
    const sessionId = await world.login(first);
    const renewed = world.renewals;
    first.refused(await world.access(first), "EXPIRED");
    await world.pass(second);
    expect(world.renewals).toBe(renewed + 1);
    first.dispose();
    tab.dispose();
    await world.sleep(5 * minute);
    const again = world.open({ storage });
    await world.pass(30 * minute);
    expect(again.state).toMatchObject({ status: "signedIn", sessionId });
    expect(world.refusals).toEqual([]);
  });

  it("does without one that is forbidden", async () => {
    await using world = newWorld();
    const forbidden = () => {
      throw new Error("SecurityError");
    };
    const storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden };
    const tab = world.open({ storage });
    await world.login(tab);
    await world.pass(30 * minute);
    expect(world.renewals).toBe(1);
    await world.outcome(tab.logout());
    expect(tab.state.status).toBe("signedOut");
  });
});

describe("tabs", () => {
  it("share a login, one renewal per period, and a logout", async () => {
    await using world = newWorld();
    const tabs = [world.open(), world.open(), world.open()];
    const [first, second_, third] = tabs;
    if (first === undefined || second_ === undefined || third === undefined) throw new Error();
    await world.pass(200);
    const sessionId = await world.login(first);
    for (const tab of tabs) expect(tab.state).toMatchObject({ status: "signedIn", sessionId });
    await world.pass(10 * 22 * minute);
    expect(world.renewals).toBeGreaterThanOrEqual(8);
    expect(world.renewals).toBeLessThanOrEqual(11);
    expect(world.mostAtOnce).toBe(1);
    await world.outcome(second_.logout());
    for (const tab of tabs) expect(tab.state).toEqual({ status: "signedOut", reason: "LOGOUT" });
  });

  it("that wake together renew once", async () => {
    await using world = newWorld();
    const tabs = [world.open(), world.open(), world.open(), world.open()];
    await world.pass(200);
    await world.login(tabs[0] ?? world.open());
    await world.sleep(60 * minute);
    const tokens = await world.outcome(Promise.all(tabs.map((tab) => tab.accessToken())));
    expect(new Set(tokens as string[]).size).toBe(1);
    expect(world.renewals).toBe(1);
  });

  it("take over the renewal of one that is closed before its answer is there", async () => {
    await using world = newWorld();
    const [first, second_] = [world.open(), world.open()];
    await world.pass(200);
    const sessionId = await world.login(first);
    first.refused(await world.access(first), "EXPIRED");
    await world.pass(75);
    expect(world.renewals).toBe(1);
    first.dispose();
    await world.pass(60 * minute);
    expect(world.refusals).toEqual([]);
    expect(second_.state).toMatchObject({ status: "signedIn", sessionId });
  });

  it("change the password with the token that another has just renewed", async () => {
    await using world = newWorld();
    const [first, second_] = [world.open(), world.open()];
    await world.pass(200);
    await world.login(first);
    first.refused(await world.access(first), "EXPIRED");
    const change = second_.changePassword({ currentPassword: "one", newPassword: "other" });
    expect(await world.outcome(change)).toMatchObject({ __typename: "PasswordChanged" });
    await world.pass(60 * minute);
    expect(world.refusals).toEqual([]);
  });

  it("let a new one in without a login", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.pass(200);
    const sessionId = await world.login(tab);
    const next = world.open();
    expect(next.state.status).toBe("starting");
    await world.pass(100);
    expect(next.state).toMatchObject({ status: "signedIn", sessionId });
  });

  it("do not share where they are told not to", () => {
    const tab = createSession({ url: "https://curfew.test/graphql", shareAcrossTabs: false });
    expect(tab.state).toEqual({ status: "signedOut", reason: undefined });
    tab.dispose();
  });

  it("do without a lock that a sleeping one never gives back", async () => {
    await using world = newWorld();
    const tab = world.open();
    await world.login(tab);
    const key = "curfew:https://curfew.test/graphql";
    const { signal } = new AbortController();
    void world.locks.request(key, { signal }, () => new Promise(() => {}));
    await world.pass(30 * minute);
    expect(world.renewals).toBe(1);
  });

  it("without Web Locks and channels live off the server's grace", async () => {
    await using world = newWorld({
      replacements: { locks: undefined, openChannel: () => undefined },
    });
    const tab = world.open();
    await world.login(tab);
    await world.pass(30 * minute);
    expect(world.renewals).toBe(1);
    expect(world.refusals).toEqual([]);
  });
});

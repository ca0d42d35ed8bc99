/** The client's session, alone and with other tabs, on a simulated clock and a failing network. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { createSession } from "../../src/client/index.ts";
import { prompt, FakeNetwork, type Delivery } from "./fake-network.ts";

afterEach(() => vi.restoreAllMocks());

const second = 1_000;
const minute = 60 * second;

function newNetwork(options: Partial<ConstructorParameters<typeof FakeNetwork>[0]> = {}) {
  return new FakeNetwork({ createSession, ...options });
}

describe("a session", () => {
  it("starts signed out without stored tokens and other tabs", async () => {
    await using network = newNetwork({ replacements: { openChannel: () => undefined } });
    const tab = network.open();
    expect(tab.state).toEqual({ status: "signedOut", reason: undefined });
    expect(await network.outcome(tab.accessToken())).toBeUndefined();
  });

  it("notifies listeners of login and logout, but not of renewals", async () => {
    await using network = newNetwork();
    const tab = network.open();
    const states: unknown[] = [];
    tab.subscribe((state) => states.push(state));
    const sessionId = await network.login(tab);
    await network.pass(60 * minute);
    expect(network.renewals).toBeGreaterThan(1);
    await network.outcome(tab.logout());
    expect(states).toEqual([
      { status: "signedIn", sessionId, userId: "ada" },
      { status: "signedOut", reason: "LOGOUT" },
    ]);
    expect(await network.isLive(sessionId)).toBe(false);
  });

  it("continues after a listener throws", async () => {
    await using network = newNetwork();
    const tab = network.open();
    const thrown: unknown[] = [];
    vi.spyOn(globalThis, "queueMicrotask").mockImplementation((task) => {
      try {
        task();
      } catch (error) {
        thrown.push(error);
      }
    });
    tab.subscribe(() => {
      throw new Error("an error of the app");
    });
    await network.login(tab);
    expect(thrown).toEqual([new Error("an error of the app")]);
    await network.pass(30 * minute);
    expect(network.renewals).toBe(1);
  });

  it("renews before the expiry, even if the local clock is wrong", async () => {
    for (const skew of [-365 * 24 * 60 * minute, 0, 365 * 24 * 60 * minute]) {
      await using network = newNetwork({ skew });
      const tab = network.open();
      await network.login(tab);
      await network.pass(20 * minute);
      expect(network.renewals).toBe(0);
      await network.pass(5 * minute);
      expect(network.renewals).toBe(1);
    }
  });

  it("renews on time after the clock was set", async () => {
    for (const jump of [-60 * minute, 60 * minute]) {
      await using network = newNetwork();
      const tab = network.open();
      await network.login(tab);
      network.skew = jump;
      for (let passed = 0; passed < 60; passed += 1) {
        await network.pass(minute);
        const token = await network.outcome(tab.accessToken());
        expect(network.isValid(String(token))).toBe(true);
      }
      expect(network.renewals).toBeLessThan(5);
    }
  });

  it("returns a fresh token to all callers with one renewal after the machine slept", async () => {
    await using network = newNetwork({ replacements: { onWake: () => () => {} } });
    const tab = network.open();
    await network.login(tab);
    await network.sleep(3 * 60 * minute);
    const tokens = await network.outcome(Promise.all([tab.accessToken(), tab.accessToken()]));
    expect(tokens).toEqual([expect.any(String), expect.any(String)]);
    expect(network.isValid((tokens as string[])[0] ?? "")).toBe(true);
    expect(network.renewals).toBe(1);
  });

  it("renews when the machine wakes, before a caller asks for a token", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    await network.sleep(3 * 60 * minute);
    await network.pass(second);
    expect(network.renewals).toBe(1);
  });

  const failures: readonly Delivery["type"][] = [
    "requestLost",
    "requestHangs",
    "status503",
    "unavailable",
  ];
  it.each(failures)("survives an outage in which each renewal has the fault %s", async (type) => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    network.deliveries.push(...Array.from({ length: 100_000 }, () => ({ type }) as Delivery));
    await network.pass(40 * minute);
    const outcome = await network.outcome(tab.accessToken());
    expect(outcome).toMatchObject({ name: "RequestFailed" });
    expect(tab.state.status).toBe("signedIn");
    network.deliveries.length = 0;
    await network.pass(30 * second);
    expect(network.isValid(String(await network.outcome(tab.accessToken())))).toBe(true);
  });

  it("retries a throttled renewal after the delay that the server asks for", async () => {
    await using network = newNetwork({ deliveries: [prompt, { type: "throttled" }] });
    const tab = network.open();
    await network.login(tab);
    await network.sleep(40 * minute);
    expect(await network.outcome(tab.accessToken())).toMatchObject({ code: "TOO_MANY_ATTEMPTS" });
    await network.pass(4 * second);
    expect(network.renewals).toBe(0);
    await network.pass(2 * second);
    expect(network.renewals).toBe(1);
    expect(tab.state.status).toBe("signedIn");
  });

  it.each<Delivery["type"]>(["responseLost", "responseHangs"])(
    "receives the same tokens after the response of a renewal is lost: %s",
    async (type) => {
      await using network = newNetwork({ deliveries: [prompt, { type } as Delivery] });
      const tab = network.open();
      const sessionId = await network.login(tab);
      await network.pass(30 * minute);
      expect(network.renewals).toBe(2);
      expect(network.refusals).toEqual([]);
      expect(await network.isLive(sessionId)).toBe(true);
      expect(network.isValid(String(await network.outcome(tab.accessToken())))).toBe(true);
      // The tokens are older than their response, and the session knows it.
      network.deliveries.push(
        ...Array.from({ length: 1000 }, () => ({ type: "requestLost" }) as const),
      );
      for (let passed = 0; passed < 40 * minute; passed += second) {
        const token = await network.outcome(tab.accessToken(), 20 * second);
        if (typeof token === "string" && token !== "pending")
          expect(network.isValid(token)).toBe(true);
      }
    },
  );

  it.each<Delivery["type"]>(["responseLost", "responseHangs"])(
    "is signed out with SUPERSEDED if the response of a password change is lost: %s",
    async (type) => {
      await using network = newNetwork({ deliveries: [prompt, { type } as Delivery] });
      const [tab, other] = [network.open(), network.open()];
      await network.pass(200);
      await network.login(tab);
      const change = tab.changePassword({ currentPassword: "one", newPassword: "other" });
      expect(await network.outcome(change)).toMatchObject({ name: "RequestFailed" });
      await network.pass(second);
      const signedOut = { status: "signedOut", reason: "SUPERSEDED" };
      expect([tab.state, other.state]).toEqual([signedOut, signedOut]);
      expect(network.refusals).toEqual(["SUPERSEDED"]);
      const sessionId = await network.login(tab);
      await network.pass(60 * minute);
      for (const { state } of network.tabs) expect(state).toMatchObject({ sessionId });
    },
  );

  it.each<Delivery["type"]>(["requestLost", "requestHangs"])(
    "survives a password change that does not reach the server: %s",
    async (type) => {
      await using network = newNetwork({ deliveries: [prompt, { type } as Delivery] });
      const tab = network.open();
      const sessionId = await network.login(tab);
      const change = tab.changePassword({ currentPassword: "one", newPassword: "other" });
      expect(await network.outcome(change)).toMatchObject({ name: "RequestFailed" });
      await network.pass(60 * minute);
      expect(network.refusals).toEqual([]);
      expect(await network.isLive(sessionId)).toBe(true);
    },
  );

  it("is signed out with the reason when the server refuses a renewal", async () => {
    await using network = newNetwork();
    const tab = network.open();
    const sessionId = await network.login(tab);
    await network.sessions.end(sessionId, "ENDED_BY_USER");
    await network.pass(30 * minute);
    expect(tab.state).toEqual({
      status: "signedOut",
      reason: "ENDED",
      endReason: "ENDED_BY_USER",
    });
    expect(await network.outcome(tab.accessToken())).toBeUndefined();
  });

  it("is signed out when its token is refused with ENDED, but not for a token of another session", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    const before = await network.access(tab);
    const sessionId = await network.login(tab);
    tab.refused(before, "ENDED");
    expect(tab.state).toMatchObject({ status: "signedIn", sessionId });
    tab.refused({ ...before, sessionId }, "ENDED", "ENDED_BY_USER");
    const ended = { status: "signedOut", reason: "ENDED", endReason: "ENDED_BY_USER" };
    expect(tab.state).toEqual(ended);
    // The reason was known, so the server was not asked.
    await network.pass(second);
    expect([tab.state, network.refusals]).toEqual([ended, []]);
  });

  it("asks why its session ended, returns no token meanwhile, and changes its state once in all tabs", async () => {
    await using network = newNetwork();
    const tabs = [network.open(), network.open()] as const;
    await network.pass(200);
    const sessionId = await network.login(tabs[0]);
    const access = await network.access(tabs[0]);
    const states = tabs.map((tab) => {
      const seen: unknown[] = [];
      tab.subscribe((state) => seen.push(state));
      return seen;
    });
    await network.sessions.end(sessionId, "PASSWORD_CHANGED");

    tabs[0].refused(access, "ENDED");
    tabs[0].refused(access, "ENDED");
    expect(tabs[0].state.status).toBe("signedIn");
    expect(await network.outcome(tabs[0].access())).toBeUndefined();

    await network.pass(second);
    const ended = { status: "signedOut", reason: "ENDED", endReason: "PASSWORD_CHANGED" };
    expect(states).toEqual([[ended], [ended]]);
    expect(network.refusals).toEqual(["ENDED"]);
  });

  it.each<Delivery["type"]>([
    "requestLost",
    "requestHangs",
    "responseHangs",
    "status503",
    "unavailable",
    "throttled",
  ])("is signed out without the reason if the server does not return it: %s", async (type) => {
    await using network = newNetwork();
    const tab = network.open();
    const sessionId = await network.login(tab);
    const access = await network.access(tab);
    const states: unknown[] = [];
    tab.subscribe((state) => states.push(state));
    await network.sessions.end(sessionId, "PASSWORD_CHANGED");
    network.deliveries.push({ type } as Delivery);
    tab.refused(access, "ENDED");
    await network.pass(second);
    await network.pass(minute);
    expect(states).toEqual([{ status: "signedOut", reason: "ENDED", endReason: undefined }]);
  });

  it("is signed out with ENDED even if the server accepts its renewal token again", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    tab.refused(await network.access(tab), "ENDED");
    await network.pass(second);
    expect(tab.state).toEqual({ status: "signedOut", reason: "ENDED", endReason: undefined });
    expect(await network.outcome(tab.access())).toBeUndefined();
  });

  it("keeps the reason LOGOUT if the user logs out while the server is asked", async () => {
    await using network = newNetwork();
    const tab = network.open();
    const sessionId = await network.login(tab);
    await network.sessions.end(sessionId, "PASSWORD_CHANGED");
    tab.refused(await network.access(tab), "ENDED");
    const states: unknown[] = [];
    tab.subscribe((state) => states.push(state));
    await network.outcome(tab.logout());
    await network.pass(second);
    expect(states).toEqual([{ status: "signedOut", reason: "LOGOUT", endReason: undefined }]);
  });

  it("stays signed in to the next session if the user logs in while the server is asked", async () => {
    await using network = newNetwork();
    const tab = network.open();
    const before = await network.login(tab);
    await network.sessions.end(before, "PASSWORD_CHANGED");
    const access = await network.access(tab);
    network.deliveries.push({ type: "responseHangs" });
    tab.refused(access, "ENDED");
    const sessionId = await network.login(tab);
    await network.pass(minute);
    expect(tab.state).toMatchObject({ status: "signedIn", sessionId });
    expect(network.isValid(String(await network.outcome(tab.accessToken())))).toBe(true);
  });

  it("renews a refused token once, however many callers report it", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    const access = await network.access(tab);
    for (let i = 0; i < 10; i += 1) tab.refused(access, "SUPERSEDED");
    const token = await network.outcome(tab.accessToken());
    expect(token).not.toBe(access.token);
    expect(network.renewals).toBe(1);
    tab.refused(access, "EXPIRED");
    await network.pass(minute);
    expect(network.renewals).toBe(1);
  });

  it("ends the previous session when a user logs in over it", async () => {
    await using network = newNetwork();
    const tab = network.open();
    const before = await network.login(tab);
    const after = await network.login(tab);
    await network.pass(second);
    expect([await network.isLive(before), await network.isLive(after)]).toEqual([false, true]);
  });

  it("retries a lost logout, and is signed out meanwhile", async () => {
    await using network = newNetwork({
      deliveries: [prompt, { type: "requestLost" }, { type: "requestHangs" }],
    });
    const tab = network.open();
    const sessionId = await network.login(tab);
    const logout = tab.logout();
    await network.pass(0);
    expect(tab.state).toEqual({ status: "signedOut", reason: "LOGOUT" });
    expect(await network.outcome(logout)).toBeUndefined();
    expect(await network.isLive(sessionId)).toBe(false);
  });

  it("rejects logout after eight failed attempts, and is signed out", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    network.deliveries.push(...Array.from({ length: 8 }, () => ({ type: "requestLost" }) as const));
    expect(await network.outcome(tab.logout(), 5 * minute)).toMatchObject({
      name: "RequestFailed",
    });
    expect(tab.state.status).toBe("signedOut");
  });

  it("stays signed out when a renewal in flight succeeds after the logout", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    await network.sleep(40 * minute);
    await network.pass(60);
    expect(network.maxInFlight).toBe(1);
    await network.outcome(tab.logout());
    await network.pass(second);
    expect(tab.state).toEqual({ status: "signedOut", reason: "LOGOUT" });
  });

  it("lasts until its maximum age, without a burst of renewals at the end", async () => {
    const short = {
      access: 10 * minute,
      renewal: 60 * minute,
      absolute: 60 * minute,
      grace: 10_000,
    };
    await using network = newNetwork({ lifetimes: short });
    const tab = network.open();
    await network.login(tab);
    await network.pass(61 * minute);
    expect(tab.state).toEqual({ status: "signedOut", reason: "EXPIRED" });
    expect(network.renewals).toBeLessThan(25);
  });

  it("ignores the response of a login that arrives after dispose", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.pass(200);
    const login = tab.login({ email: "ada@example.com", password: "correct horse" });
    tab.dispose();
    expect(await network.outcome(login)).toMatchObject({ __typename: "SignedIn" });
    await network.pass(24 * 60 * minute);
    expect(network.renewals).toBe(0);
    expect(await network.outcome(tab.accessToken())).toBeUndefined();
  });

  it("does not renew after dispose", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    tab.dispose();
    await network.pass(24 * 60 * minute);
    expect(network.renewals).toBe(0);
    expect(await network.outcome(tab.accessToken())).toBeUndefined();
  });
});

describe("a session with a storage", () => {
  function newStorage() {
    const items = new Map<string, string>();
    return {
      items,
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
      removeItem: (key: string) => void items.delete(key),
    };
  }

  it("is signed in after a reload, until the user signs out", async () => {
    await using network = newNetwork();
    const storage = newStorage();
    const tab = network.open({ storage });
    const sessionId = await network.login(tab);
    tab.dispose();
    await network.sleep(3 * 60 * minute);
    const next = network.open({ storage });
    expect(next.state).toMatchObject({ status: "signedIn", sessionId });
    expect(network.isValid(String(await network.outcome(next.accessToken())))).toBe(true);
    await network.outcome(next.logout());
    expect(storage.items.size).toBe(0);
  });

  it.each([
    "{",
    "null",
    '"text"',
    '{"renewalToken":1}',
    // Incomplete, as another version may have written it.
    '{"sessionId":"s","userId":"u","accessToken":"a","renewalToken":"r","lifetime":60000}',
  ])("ignores the stored value %s", async (text) => {
    await using network = newNetwork();
    const storage = newStorage();
    storage.items.set("curfew:https://curfew.test/graphql", text);
    const tab = network.open({ storage });
    await network.pass(second);
    expect(tab.state).toEqual({ status: "signedOut", reason: undefined });
  });

  it("has the tokens that another tab renewed, if each tab has its own storage", async () => {
    await using network = newNetwork();
    const [storage, other] = [newStorage(), newStorage()];
    const tab = network.open({ storage });
    await network.pass(200);
    const first = network.open({ storage: other });
    await network.pass(200);
    const sessionId = await network.login(first);
    const renewed = network.renewals;
    first.refused(await network.access(first), "EXPIRED");
    await network.pass(second);
    expect(network.renewals).toBe(renewed + 1);
    first.dispose();
    tab.dispose();
    await network.sleep(5 * minute);
    const again = network.open({ storage });
    await network.pass(30 * minute);
    expect(again.state).toMatchObject({ status: "signedIn", sessionId });
    expect(network.refusals).toEqual([]);
  });

  it("works with a storage that throws", async () => {
    await using network = newNetwork();
    const forbidden = () => {
      throw new Error("SecurityError");
    };
    const storage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden };
    const tab = network.open({ storage });
    await network.login(tab);
    await network.pass(30 * minute);
    expect(network.renewals).toBe(1);
    await network.outcome(tab.logout());
    expect(tab.state.status).toBe("signedOut");
  });
});

describe("tabs", () => {
  it("share a login, one renewal per period, and a logout", async () => {
    await using network = newNetwork();
    const tabs = [network.open(), network.open(), network.open()];
    const [firstTab, secondTab, thirdTab] = tabs;
    if (firstTab === undefined || secondTab === undefined || thirdTab === undefined)
      throw new Error();
    await network.pass(200);
    const sessionId = await network.login(firstTab);
    for (const tab of tabs) expect(tab.state).toMatchObject({ status: "signedIn", sessionId });
    await network.pass(10 * 22 * minute);
    expect(network.renewals).toBeGreaterThanOrEqual(8);
    expect(network.renewals).toBeLessThanOrEqual(11);
    expect(network.maxInFlight).toBe(1);
    await network.outcome(secondTab.logout());
    for (const tab of tabs) expect(tab.state).toEqual({ status: "signedOut", reason: "LOGOUT" });
  });

  it("renew once when they wake together", async () => {
    await using network = newNetwork();
    const tabs = [network.open(), network.open(), network.open(), network.open()];
    await network.pass(200);
    await network.login(tabs[0] ?? network.open());
    await network.sleep(60 * minute);
    const tokens = await network.outcome(Promise.all(tabs.map((tab) => tab.accessToken())));
    expect(new Set(tokens as string[]).size).toBe(1);
    expect(network.renewals).toBe(1);
  });

  it("take over the renewal of a tab that is closed before its response arrives", async () => {
    await using network = newNetwork();
    const [first, secondTab] = [network.open(), network.open()];
    await network.pass(200);
    const sessionId = await network.login(first);
    first.refused(await network.access(first), "EXPIRED");
    await network.pass(75);
    expect(network.renewals).toBe(1);
    first.dispose();
    await network.pass(60 * minute);
    expect(network.refusals).toEqual([]);
    expect(secondTab.state).toMatchObject({ status: "signedIn", sessionId });
  });

  it("change the password with the token that another tab has just renewed", async () => {
    await using network = newNetwork();
    const [first, secondTab] = [network.open(), network.open()];
    await network.pass(200);
    await network.login(first);
    first.refused(await network.access(first), "EXPIRED");
    const change = secondTab.changePassword({ currentPassword: "one", newPassword: "other" });
    expect(await network.outcome(change)).toMatchObject({ __typename: "PasswordChanged" });
    await network.pass(60 * minute);
    expect(network.refusals).toEqual([]);
  });

  it("sign a new tab in without a login", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.pass(200);
    const sessionId = await network.login(tab);
    const next = network.open();
    expect(next.state.status).toBe("starting");
    await network.pass(100);
    expect(next.state).toMatchObject({ status: "signedIn", sessionId });
  });

  it("do not share a session with shareAcrossTabs: false", () => {
    const tab = createSession({ url: "https://curfew.test/graphql", shareAcrossTabs: false });
    expect(tab.state).toEqual({ status: "signedOut", reason: undefined });
    tab.dispose();
  });

  it("renew without a lock that a suspended tab holds", async () => {
    await using network = newNetwork();
    const tab = network.open();
    await network.login(tab);
    const key = "curfew:https://curfew.test/graphql";
    const { signal } = new AbortController();
    void network.locks.request(key, { signal }, () => new Promise(() => {}));
    await network.pass(30 * minute);
    expect(network.renewals).toBe(1);
  });

  it("renew without Web Locks and channels, within the server's grace period", async () => {
    await using network = newNetwork({
      replacements: { locks: undefined, openChannel: () => undefined },
    });
    const tab = network.open();
    await network.login(tab);
    await network.pass(30 * minute);
    expect(network.renewals).toBe(1);
    expect(network.refusals).toEqual([]);
  });
});

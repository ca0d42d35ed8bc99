/** Sessions whose end this node remembers are refused, whatever the store has. */
import { describe, expect, test } from "vitest";
import { RecentEnds } from "../../src/session/ends.ts";
import { endsTopic } from "../../src/session/messages.ts";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { breakable, intercept, memoryStore } from "../helpers/backends.ts";
import { device, minute, startDomain } from "../helpers/domain.ts";

const storeMethods = [
  "read",
  "readMany",
  "renew",
  "reissue",
  "touch",
  "end",
  "listByUser",
] as const;

/** A domain that remembers ends, over a store whose calls are recorded. */
function start() {
  const calls: string[] = [];
  const hooks = new Map<string, () => unknown>();
  const memory = memoryStore();
  const broken = breakable(memory);
  const recorded = Object.fromEntries(
    storeMethods.map((name) => [
      name,
      (real: (...args: unknown[]) => Promise<unknown>) =>
        async (...args: unknown[]) => {
          calls.push(name);
          const result = await real(...args);
          await hooks.get(name)?.();
          return result;
        },
    ]),
  );
  const store = intercept<SessionStore>(broken.part, recorded);
  const ends = new RecentEnds({ window: 60 * minute, capacity: 100, uptime: () => 0 });
  const domain = startDomain({ store, ends });
  /** The domain's node learns an end that the store does not have. */
  const learn = (fingerprint: string) => ends.add({ fingerprint, reason: "LOGOUT", at: 1 });
  const during = async (action: () => Promise<unknown>) => {
    calls.length = 0;
    await action();
    return [...calls];
  };
  return { ...domain, ...broken, memory, ends, learn, during, hooks };
}

async function signedIn() {
  const domain = start();
  const { session, tokens } = await domain.login();
  const claims = domain.sessions.identify(tokens.accessToken);
  if (claims === undefined) throw new Error("Not genuine");
  return { ...domain, session, tokens, claims, fingerprint: session.fingerprint };
}

const ended = { reason: "ENDED", endReason: "LOGOUT" };

describe("a session whose end is remembered", () => {
  test("is refused with the reason, without a call of the store, for each question", async () => {
    const { sessions, tokens, claims, learn, during, fingerprint } = await signedIn();
    learn(fingerprint);
    const used = await during(async () => {
      expect(await sessions.check(claims)).toEqual({ state: "refused", claims, ...ended });
      expect(await sessions.checkAgain(claims)).toEqual({ state: "refused", claims, ...ended });
      expect(await sessions.authenticate(tokens.accessToken)).toMatchObject(ended);
      expect(await sessions.renew(tokens.renewalToken, device)).toMatchObject(ended);
      expect(await sessions.reissue(claims, device)).toMatchObject(ended);
      expect(await sessions.readMany([fingerprint])).toEqual([{ state: "absent" }]);
    });
    expect(used).toEqual([]);
  });

  test("is refused also while the store is down", async () => {
    const { access, tokens, learn, fingerprint, goDown } = await signedIn();
    goDown();
    expect(await access(tokens.accessToken)).toBe("unavailable");
    learn(fingerprint);
    expect(await access(tokens.accessToken)).toBe("ENDED");
  });

  test("does not affect others in a bulk read, which are in the order of the question", async () => {
    const { sessions, login, learn, fingerprint, session, during } = await signedIn();
    const { session: other } = await login("grace");
    learn(fingerprint);
    const asked = [other.fingerprint, fingerprint, "absent", other.fingerprint];
    expect(await during(() => sessions.readMany(asked))).toEqual(["readMany"]);
    const live = { state: "live", standing: { accessExpiresAt: session.accessExpiresAt } };
    expect(await sessions.readMany(asked)).toMatchObject([
      live,
      { state: "absent" },
      { state: "absent" },
      live,
    ]);
  });

  test("is not listed, although the store lists it", async () => {
    const { sessions, login, learn, fingerprint, memory, clock } = await signedIn();
    const { session: other } = await login();
    learn(fingerprint);
    expect(await memory.listByUser("ada", clock.now)).toHaveLength(2);
    expect(await sessions.list("ada")).toEqual([other]);
  });

  test("can be ended again, in case the store has it", async () => {
    const { sessions, learn, fingerprint, memory, clock } = await signedIn();
    learn(fingerprint);
    expect(await sessions.end(fingerprint, "ENDED_BY_USER")).toBe(1);
    expect(await memory.read(fingerprint, clock.now)).toBeUndefined();
  });

  test.for(["check", "checkAgain"] as const)(
    "is refused by %s also if the store read it before the end",
    async (name) => {
      const { sessions, claims, learn, fingerprint, hooks } = await signedIn();
      hooks.set("read", () => learn(fingerprint));
      expect(await sessions[name](claims)).toEqual({ state: "refused", claims, ...ended });
    },
  );

  test("is absent from a bulk read and a list also if the store read it before the end", async () => {
    const { sessions, learn, fingerprint, hooks } = await signedIn();
    hooks.set("readMany", () => learn(fingerprint));
    expect(await sessions.readMany([fingerprint])).toEqual([{ state: "absent" }]);
    const again = await signedIn();
    again.hooks.set("listByUser", () => again.learn(again.fingerprint));
    expect(await again.sessions.list("ada")).toEqual([]);
  });

  test("gets no new tokens also if the store rotated it before the end", async () => {
    const { sessions, tokens, claims, learn, fingerprint, hooks } = await signedIn();
    hooks.set("renew", () => learn(fingerprint));
    expect(await sessions.renew(tokens.renewalToken)).toMatchObject({
      outcome: "refused",
      ...ended,
    });
    expect(claims.fingerprint).toBe(fingerprint);
    const again = await signedIn();
    again.hooks.set("reissue", () => again.learn(again.fingerprint));
    expect(await again.sessions.reissue(again.claims)).toMatchObject({
      outcome: "refused",
      ...ended,
    });
  });
});

describe("an end", () => {
  test("is remembered where it happens, with its reason", async () => {
    const { sessions, ends, fingerprint, clock, access, tokens, memory, session } =
      await signedIn();
    expect(await sessions.end(fingerprint, "ENDED_BY_OPERATOR")).toBe(1);
    const end = { fingerprint, reason: "ENDED_BY_OPERATOR", at: clock.now };
    expect(ends.get(fingerprint)).toMatchObject(end);
    // As after a failover.
    await memory.create(session);
    expect(await access(tokens.accessToken)).toBe("ENDED");
  });

  test("of a session that the store does not have is remembered too", async () => {
    const { sessions, ends } = start();
    expect(await sessions.end("absent", "LOGOUT")).toBe(0);
    expect(ends.get("absent")).toMatchObject({ reason: "LOGOUT" });
  });

  test("that the store did not confirm is not remembered: the session may be live", async () => {
    const { sessions, ends, fingerprint, goDown, comeBack, access, tokens } = await signedIn();
    goDown();
    await expect(sessions.end(fingerprint, "LOGOUT")).rejects.toThrow(StoreUnavailable);
    expect(ends.get(fingerprint)).toBeUndefined();
    comeBack();
    expect(await access(tokens.accessToken)).toBe("signedIn");
  });

  test("keeps its first reason", async () => {
    const { sessions, ends, fingerprint } = await signedIn();
    await sessions.end(fingerprint, "SESSION_LIMIT");
    await sessions.end(fingerprint, "LOGOUT");
    expect(ends.get(fingerprint)).toMatchObject({ reason: "SESSION_LIMIT" });
  });

  test("is published on the topic of all ends, unless the store has published it", async () => {
    const { sessions, pubsub, store, node, login, clock } = start();
    const heard: unknown[] = [];
    await pubsub.subscribe(endsTopic, (message) => heard.push(message));
    const [one, other] = [await login(), await login()];
    await sessions.end(one.session.fingerprint, "LOGOUT");
    const publishing = node({
      store: intercept<SessionStore>(store, {
        end: (real) => async (fingerprint, now, request) => {
          request?.onPublished?.();
          return real(fingerprint, now, request);
        },
      }),
    });
    await publishing.end(other.session.fingerprint, "LOGOUT");
    await new Promise(setImmediate);
    const { fingerprint } = one.session;
    expect(heard).toEqual([{ type: "ended", fingerprint, reason: "LOGOUT", at: clock.now }]);
  });
});

test("a store that returns too few results leaves the sessions unknown", async () => {
  const { node, store } = start();
  const broken = intercept<SessionStore>(store, { readMany: () => async () => [] });
  expect(await node({ store: broken }).readMany(["a"])).toMatchObject([{ state: "unknown" }]);
});

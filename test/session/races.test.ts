/** Concurrent changes between two steps of one request, and sessions without an audit trail. */
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { sessionTopic } from "../../src/session/messages.ts";
import { Sessions } from "../../src/session/sessions.ts";
import type { SessionStore } from "../../src/session/store.ts";
import { device, lifetimes, rethrowReported, secret, startDomain } from "../helpers/domain.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";
import { next, startWatchDomain } from "../helpers/watch.ts";
import { everyoneEnabled } from "../helpers/users.ts";

/** A store that runs a callback just before a renewal. */
function beforeRenewal(act: (store: SessionStore, fingerprint: string) => Promise<unknown>) {
  const store = memoryStore();
  return intercept(store, {
    renew:
      (renew) =>
      async (fingerprint, ...rest) => {
        await act(store, fingerprint);
        return renew(fingerprint, ...rest);
      },
  });
}

test("a renewal of a session that ends meanwhile is refused with ENDED", async () => {
  const store = beforeRenewal((one, fingerprint) => one.end(fingerprint, Date.UTC(2030, 0, 1)));
  const { login, sessions, audited } = startDomain({ store });
  const { tokens } = await login();
  expect(await sessions.renew(tokens.renewalToken)).toMatchObject({
    outcome: "refused",
    reason: "ENDED",
  });
  expect(audited.at(-1)).toMatchObject({ event: "renewalRefused", reason: "ENDED" });
});

test("two concurrent reuses end the session once and are audited once", async () => {
  const { login, renew, node, clock, audited } = startDomain();
  const { tokens } = await login();
  await renew(tokens.renewalToken);
  clock.advance(2 * lifetimes.grace);
  const [here, there] = [node(), node()];
  const reasons = await Promise.all(
    [here, there].map(async (one) => one.renew(tokens.renewalToken)),
  );
  expect(reasons.map((one) => "reason" in one && one.reason).toSorted()).toEqual([
    "ENDED",
    "REUSED",
  ]);
  expect(audited.filter(({ event }) => event === "reuse")).toHaveLength(1);
});

test("endAll ends all of a user's sessions and no other user's", async () => {
  const { login, sessions, access } = startDomain();
  const mine = [await login(), await login()];
  const other = await login("bob");
  expect(await sessions.endAll("ada", "USER_GONE")).toBe(2);
  for (const { tokens } of mine) expect(await access(tokens.accessToken)).toBe("ENDED");
  expect(await access(other.tokens.accessToken)).toBe("signedIn");
});

test("sessions without an audit trail start, renew and end as others do", async () => {
  const { store, pubsub, clock } = startDomain();
  const sessions = new Sessions({
    store,
    pubsub,
    ring: new KeyRing([secret("ring")]),
    lifetimes,
    userStatus: everyoneEnabled,
    clock: clock.read,
    randomBytes,
    reportError: rethrowReported,
  });
  const { session, tokens } = await sessions.start("ada", device);
  const renewed = await sessions.renew(tokens.renewalToken);
  expect(renewed.outcome).toBe("renewed");
  clock.advance(2 * lifetimes.grace);
  expect(await sessions.renew(tokens.renewalToken)).toMatchObject({ reason: "REUSED" });
  expect(await sessions.renew(tokens.renewalToken)).toMatchObject({ reason: "ENDED" });
  expect(await sessions.end(session.fingerprint, "LOGOUT")).toBe(0);
});

test("a watch that receives an unknown end reason rereads the sessions", async () => {
  const { watch, login, store, pubsub, clock } = startWatchDomain();
  const { session } = await login();
  const stream = await watch();
  const { fingerprint } = session;
  await store.end(fingerprint, clock.now);
  const message = { type: "ended", fingerprint, session, reason: "OF_A_LATER_VERSION" };
  await pubsub.publish(sessionTopic(fingerprint), message);
  expect(await next(stream)).toMatchObject({
    type: "ENDED",
    session: { fingerprint },
    reason: null,
  });
});

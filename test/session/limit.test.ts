/** How many sessions a user may have: a login beyond that ends the oldest. */
import { describe, expect, test } from "vitest";
import { StoreUnavailable, type SessionStore } from "../../src/session/store.ts";
import { device, startDomain } from "../helpers/domain.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";

describe("a login beyond the limit", () => {
  test("ends the oldest session, and tells why", async () => {
    const { login, recordMessages, access, clock } = startDomain({ maxSessionsPerUser: 2 });
    const first = await login();
    const heard = await recordMessages(first.session.fingerprint);
    clock.advance(1);
    const second = await login();
    clock.advance(1);
    const third = await login();
    expect(heard).toEqual(["SESSION_LIMIT"]);
    expect(await access(first.tokens.accessToken)).toBe("ENDED");
    for (const { tokens } of [second, third])
      expect(await access(tokens.accessToken)).toBe("signedIn");
  });

  test("ends nobody else's", async () => {
    const { login, access } = startDomain({ maxSessionsPerUser: 1 });
    const { tokens } = await login("ada");
    await login("bob");
    expect(await access(tokens.accessToken)).toBe("signedIn");
  });

  test("ends all that a lower limit leaves too many", async () => {
    const { login, node, sessions, clock } = startDomain();
    for (let i = 0; i < 250; i += 1) {
      clock.advance(1);
      await login();
    }
    clock.advance(1);
    const last = await node({ maxSessionsPerUser: 3 }).start("ada", device);
    const left = await sessions.list("ada");
    expect(left).toHaveLength(3);
    expect(left[0]?.fingerprint).toBe(last.session.fingerprint);
  });

  test("stands when the oldest cannot be ended, and the next one ends them", async () => {
    let isDown = false;
    const store = intercept<SessionStore>(memoryStore(), {
      listByUser: (real) => async (userId, now) => {
        if (isDown) throw new StoreUnavailable("It is down for a test.");
        return real(userId, now);
      },
    });
    const { login, access, reportedErrors, sessions, clock } = startDomain({
      maxSessionsPerUser: 1,
      store,
    });
    await login();
    isDown = true;
    clock.advance(1);
    const second = await login();
    expect(await access(second.tokens.accessToken)).toBe("signedIn");
    expect(reportedErrors).toEqual(["a user's oldest sessions were not ended"]);
    isDown = false;
    clock.advance(1);
    await login();
    expect(await sessions.list("ada")).toHaveLength(1);
  });
});

test.each([1, 3])(
  "of thirty logins at once, on two nodes and in one millisecond, as many sessions stay as may: %i",
  async (maxSessionsPerUser) => {
    const { sessions, node } = startDomain({ maxSessionsPerUser });
    const other = node();
    const logins = Array.from({ length: 30 }, (_, i) =>
      (i % 2 === 0 ? sessions : other).start("ada", device),
    );
    await Promise.all(logins);
    expect(await sessions.list("ada")).toHaveLength(maxSessionsPerUser);
  },
);

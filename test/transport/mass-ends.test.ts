/** Ends of very many connections and sessions: all end, and other clients are still served. */
import { expect, it } from "vitest";
import { StoreUnavailable } from "../../src/session/store.ts";
import { startCurfew, type TestCurfew } from "../helpers/curfew.ts";
import { askData, login, newEmail, register } from "../helpers/http.ts";
import { intercept, memoryStore } from "../helpers/backends.ts";
import { device } from "../helpers/sessions.ts";
import { connect } from "../helpers/socket.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

async function startMany({ sessions }: TestCurfew, userId: string, count: number) {
  for (let i = 0; i < count; i += 1) await sessions.start(userId, device);
}

it("the end of a session with 1,000 sockets closes all of them at once", async () => {
  const count = 1_000;
  await using curfew = await startCurfew({
    maxSessionsPerUser: 0,
    maxSocketsPerSession: count,
  });
  const { accessToken: token, sessionId } = await register(curfew.url);
  const sockets = await Promise.all(
    Array.from({ length: count }, () => connect(curfew.socketUrl, token)),
  );
  await curfew.sessions.end(sessionId, "LOGOUT");
  for (const socket of sockets) expect(await socket.closed).toEqual(sessionEnded);
  expect(curfew.connections.size).toBe(0);
});

it("one mutation ends a user's 10,000 other sessions without delaying other clients", async () => {
  const count = 10_000;
  let inThisTurn = 0;
  let most = 0;
  const store = intercept(memoryStore(), {
    end: (real) => (fingerprint, now) => {
      if (inThisTurn === 0) setImmediate(() => (inThisTurn = 0));
      most = Math.max(most, (inThisTurn += 1));
      return real(fingerprint, now);
    },
  });
  await using curfew = await startCurfew({ maxSessionsPerUser: 0, backends: { store } });
  const email = newEmail();
  const { accessToken: token, userId, sessionId } = await register(curfew.url, email);
  const other = await login(curfew.url, email);
  await startMany(curfew, userId, count - 1);
  await using socket = await connect(curfew.socketUrl, token);
  await using otherSocket = await connect(curfew.socketUrl, other.accessToken);

  const query = "mutation { endOtherSessions { endedSessions } }";
  const data = await askData(curfew.url, query, { token });

  expect(data.endOtherSessions).toEqual({ endedSessions: count });
  expect(await otherSocket.closed).toEqual(sessionEnded);
  expect(most).toBe(100);
  expect((await curfew.sessions.list(userId)).map(({ fingerprint }) => fingerprint)).toEqual([
    sessionId,
  ]);
  expect(socket.ws.readyState).toBe(socket.ws.OPEN);
});

it("an end of many sessions that failed halfway completes when it is repeated", async () => {
  const count = 1_000;
  let ends = 0;
  const store = intercept(memoryStore(), {
    end: (real) => (fingerprint, now) =>
      (ends += 1) === count / 2
        ? Promise.reject(new StoreUnavailable("Down"))
        : real(fingerprint, now),
  });
  await using curfew = await startCurfew({ maxSessionsPerUser: 0, backends: { store } });
  await startMany(curfew, "user", count + 1);
  const [kept] = await curfew.sessions.list("user");
  const endOthers = () =>
    curfew.sessions.endOthers("user", kept?.fingerprint ?? "", "ENDED_BY_USER");
  await expect(endOthers()).rejects.toThrow(StoreUnavailable);
  // It stopped while the store was failing.
  expect(ends).toBeLessThan(count / 2 + 100);
  const before = ends - 1;
  expect(await endOthers()).toBe(count - before);
  expect(await curfew.sessions.list("user")).toEqual([kept]);
});

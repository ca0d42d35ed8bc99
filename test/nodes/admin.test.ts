/** Operator actions on two nodes: locking or deleting a user, and ending sessions. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { ask, login, newEmail, register, renew, tryLogin } from "../helpers/http.ts";
import { rareRechecks, startNodes } from "../helpers/nodes.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { connect, watchSessions } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());

describe.each(["lock", "delete"] as const)("an operator's %s of a user", (action) => {
  it("closes the user's connections on all nodes and refuses the user everywhere", async () => {
    await using nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
    const { here, there } = nodes;
    const email = newEmail();
    const phone = await register(here.url, email);
    const tablet = await login(there.url, email);
    const otherUser = await register(here.url);
    await using socketHere = await connect(here.socketUrl, phone.accessToken);
    await using socketThere = await connect(there.socketUrl, phone.accessToken);
    await using tabletSocket = await connect(there.socketUrl, tablet.accessToken);
    await using otherUserSocket = await connect(there.socketUrl, otherUser.accessToken);
    const token = tablet.accessToken;
    await using stream = await openStream(here.url, "subscription { said }", { token });
    await stream.events.next();

    expect(await here.admin[action](phone.userId)).toEqual({ found: true, endedSessions: 2 });

    for (const socket of [socketHere, socketThere, tabletSocket])
      expect(await socket.closed).toEqual(sessionEnded);
    expect((await stream.events.next()).data.errors[0].extensions.reason).toBe("ENDED");
    for (const { url } of [here, there]) {
      for (const { accessToken, renewalToken } of [phone, tablet]) {
        const { errors } = await ask(url, "{ own }", { token: accessToken });
        expect(errors?.[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED", reason: "ENDED" });
        expect(await renew(url, renewalToken)).toBe("ENDED");
      }
      expect(await tryLogin(url, email)).toBe("InvalidCredentials");
    }
    otherUserSocket.subscribe("1", "subscription { said }");
    expect((await otherUserSocket.messages.next()).type).toBe("next");
  });
});

it("an unlocked user can log in again, and the sessions from before the lock stay ended", async () => {
  await using nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
  const { here, there } = nodes;
  const email = newEmail();
  const before = await register(here.url, email);
  await here.admin.lock(before.userId);
  expect(await there.admin.unlock(before.userId)).toBe(true);
  const after = await login(there.url, email);
  expect(await renew(there.url, before.renewalToken)).toBe("ENDED");
  expect(await here.sessions.list(before.userId)).toHaveLength(1);
  expect(after.userId).toBe(before.userId);
});

it("an operator's end of a session reaches the user's other sessions with its reason", async () => {
  await using nodes = await startNodes(redis, { ...testApp().schema, ...rareRechecks });
  const { here, there } = nodes;
  const email = newEmail();
  const mine = await register(here.url, email);
  const other = await login(here.url, email);
  await using socket = await connect(there.socketUrl, mine.accessToken);
  const watching = await watchSessions(socket, () => here.sessions.start(mine.userId, device));

  expect(await here.admin.endSession(other.sessionId)).toBe(1);

  const ended = { type: "ENDED", endReason: "ENDED_BY_OPERATOR" };
  expect(await watching.of(other.sessionId)).toEqual(ended);
  expect(await here.admin.endSession(other.sessionId)).toBe(0);
  const left = await here.sessions.list(mine.userId);
  expect(await here.admin.endSessions(mine.userId)).toBe(left.length);
  expect(await socket.closed).toEqual(sessionEnded);
});

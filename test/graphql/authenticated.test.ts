/** The directive @authenticated in an app's own schema, and the subscription `sessionEvents`. */
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { device } from "../helpers/sessions.ts";

const missing = { code: "UNAUTHENTICATED", reason: "MISSING" };

it("@authenticated guards a field, or every field of a type, and nothing else", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken: token, sessionId } = await register(curfew.url);
  const query = "{ hello vault { word number } }";
  expect((await ask(curfew.url, query, { token })).data).toEqual({
    hello: "world",
    vault: { word: "sesame", number: 7 },
  });
  expect((await ask(curfew.url, "{ own }", { token })).data).toEqual({ own: sessionId });
  expect((await ask(curfew.url, "{ hello }")).data).toEqual({ hello: "world" });
  for (const [guarded, path] of [
    ["{ own }", ["own"]],
    ["{ vault { number } }", ["vault", "number"]],
    [`mutation { say(text: "x") }`, ["say"]],
  ] as const) {
    const { errors } = await ask(curfew.url, guarded);
    expect(errors).toMatchObject([{ path, extensions: missing }]);
  }
});

it("@authenticated on an interface's field guards it in all types that implement it", async () => {
  await using curfew = await startCurfew({
    typeDefs: `
      interface Named { name: String! @authenticated kind: String! }
      type Cat implements Named { name: String! kind: String! }
      type Query { pet: Named! }
    `,
    resolvers: {
      Query: { pet: () => ({ __typename: "Cat", name: "Tom", kind: "cat" }) },
    },
  });
  const { accessToken: token } = await register(curfew.url);
  const query = "{ pet { name kind } }";
  const pet = { name: "Tom", kind: "cat" };
  expect((await ask(curfew.url, query, { token })).data).toEqual({ pet });
  expect((await ask(curfew.url, "{ pet { kind } }")).data).toEqual({ pet: { kind: "cat" } });
  const { errors } = await ask(curfew.url, query);
  expect(errors).toMatchObject([{ path: ["pet", "name"], extensions: missing }]);
});

it("a guarded field that is nullable leaves the rest of the response intact", async () => {
  await using curfew = await startCurfew({
    typeDefs: `type Query { open: Int guarded: Int @authenticated }`,
    resolvers: { Query: { open: () => 1, guarded: () => 2 } },
  });
  const { status, data, errors } = await ask(curfew.url, "{ open guarded }");
  expect({ status, data }).toEqual({ status: 200, data: { open: 1, guarded: null } });
  expect(errors).toMatchObject([{ path: ["guarded"], extensions: missing }]);
});

it("a user's sessions receive each other's events: started, renewed, ended with the reason", async () => {
  const clock = fakeClock();
  await using curfew = await startCurfew({ clock, accessTokenTtl: 3_600_000 });
  const email = newEmail();
  const me = await register(curfew.url, email);
  const stranger = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, me.accessToken);
  const fields = "type endReason at session { id current }";
  socket.subscribe("1", `subscription { sessionEvents { ${fields} } }`);
  const eventOf = async (id: string) => {
    for (;;) {
      const { session, ...event } = (await socket.messages.next()).payload.data.sessionEvents;
      if (session.id === id) return { ...event, current: session.current };
    }
  };
  // A subscription confirms nothing when it starts. It runs once it has delivered the start of a session.
  await until(async () => {
    await curfew.sessions.start(me.userId, device);
    return socket.messages.pending.length > 0;
  });
  const at = new Date(clock()).toISOString();
  const ended = (endReason: string) => ({ type: "ENDED", endReason, at, current: false });
  const phone = async () => {
    const { sessionId, accessToken, renewalToken } = await login(curfew.url, email);
    const started = { type: "STARTED", endReason: null, at, current: false };
    expect(await eventOf(sessionId)).toEqual(started);
    return { sessionId, accessToken, renewalToken };
  };
  const byMe = (query: string, variables = {}) =>
    ask(curfew.url, query, { token: me.accessToken, variables });

  const one = await phone();
  await renew(curfew.url, one.renewalToken);
  const renewed = { type: "RENEWED", endReason: null, at, current: false };
  expect(await eventOf(one.sessionId)).toEqual(renewed);
  await logout(curfew.url, one.renewalToken);
  expect(await eventOf(one.sessionId)).toEqual(ended("LOGOUT"));

  const two = await phone();
  await byMe("mutation ($id: ID!) { endSession(id: $id) { endedSessions } }", {
    id: two.sessionId,
  });
  expect(await eventOf(two.sessionId)).toEqual(ended("ENDED_BY_USER"));

  const three = await phone();
  await logout(curfew.url, stranger.accessToken);
  // A password change would close this socket too, so the session is ended with that reason directly.
  await curfew.sessions.endOthers(me.userId, me.sessionId, "PASSWORD_CHANGED");
  expect(await eventOf(three.sessionId)).toEqual(ended("PASSWORD_CHANGED"));
  await renew(curfew.url, me.renewalToken);
  expect(await eventOf(me.sessionId)).toEqual({ ...renewed, current: true });
  expect(JSON.stringify(socket.messages.pending)).not.toContain(stranger.sessionId);
});

/** The results of each mutation. Expected failures are data, not errors. */
import { describe, expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import {
  ask,
  askData,
  login,
  logout,
  newEmail,
  password,
  register,
  renew,
} from "../helpers/http.ts";
import { device } from "../helpers/sessions.ts";
import { connect } from "../helpers/socket.ts";

const text = expect.stringMatching(/\w/);
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** The selected fields of each mutation's result, besides a problem's message. */
const selections = {
  register: "... on InvalidInput { fields { field message } }",
  login: "",
  changePassword: `... on InvalidInput { fields { field message } }
    ... on PasswordChanged { endedSessions tokens { accessToken renewalToken } }`,
};

async function run(url: string, name: keyof typeof selections, variables: object, token?: string) {
  const names = Object.keys(variables);
  const declared = names.map((one) => `$${one}: String!`).join(", ");
  const given = names.map((one) => `${one}: $${one}`).join(", ");
  const selection = `kind: __typename ... on Problem { message } ${selections[name]}`;
  const query = `mutation (${declared}) { ${name}(${given}) { ${selection} } }`;
  return ask(url, query, { token, variables: { ...variables } });
}

describe("register", () => {
  it("reports what is wrong with each field", async () => {
    await using curfew = await startCurfew();
    const wrong = await run(curfew.url, "register", { email: "no address", password: "short" });
    const fields = ["email", "password"].map((field) => ({ field, message: text }));
    const problem = { kind: "InvalidInput", message: text, fields };
    expect(wrong).toEqual({ status: 200, data: { register: problem } });

    const email = newEmail();
    await register(curfew.url, email);
    const taken = await run(curfew.url, "register", { email: email.toUpperCase(), password });
    expect(taken.data.register.fields).toEqual([{ field: "email", message: text }]);
  });

  it("starts a session, and returns its user, device and expiry", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const { accessToken: token } = await register(curfew.url, email);
    const query = `{ viewer {
      user { id email createdAt }
      session { id current createdAt renewedAt lastSeenAt expiresAt userAgent ipAddress }
      sessions { id }
    } }`;
    const data = await askData(curfew.url, query, { token });
    const { user, session, sessions } = data.viewer;
    expect(user).toEqual({ id: text, email, createdAt: isoTime });
    expect(session).toEqual({
      id: text,
      current: true,
      createdAt: isoTime,
      renewedAt: isoTime,
      lastSeenAt: isoTime,
      expiresAt: isoTime,
      userAgent: "node",
      ipAddress: "127.0.0.1",
    });
    expect(sessions).toEqual([{ id: session.id }]);
  });
});

describe("login", () => {
  it("gives the same result for a wrong password and an unknown address", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    await register(curfew.url, email);
    const wrong = await run(curfew.url, "login", { email, password: "wrong password" });
    const unknown = await run(curfew.url, "login", { email: newEmail(), password });
    const problem = { kind: "InvalidCredentials", message: text };
    expect(wrong).toEqual({ status: 200, data: { login: problem } });
    expect(unknown).toEqual(wrong);
  });

  it("starts another session and ends none", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const first = await register(curfew.url, email);
    const second = await login(curfew.url, `  ${email.toUpperCase()} `);
    expect(second.sessionId).not.toBe(first.sessionId);
    const query = "{ viewer { sessions { id current } } }";
    const data = await askData(curfew.url, query, { token: first.accessToken });
    expect(data.viewer.sessions).toEqual([
      { id: first.sessionId, current: true },
      { id: second.sessionId, current: false },
    ]);
  });
});

describe("a login beyond the session limit", () => {
  it("closes the sockets of the oldest session", async () => {
    await using curfew = await startCurfew({ maxSessionsPerUser: 2 });
    const email = newEmail();
    const oldest = await register(curfew.url, email);
    await using socket = await connect(curfew.socketUrl, oldest.accessToken);
    const { accessToken: token } = await login(curfew.url, email);
    const { sessionId } = await login(curfew.url, email);
    expect(await socket.closed).toMatchObject({ code: 4401, reason: "SESSION_ENDED" });
    const data = await askData(curfew.url, "{ viewer { sessions { id } } }", { token });
    expect(data.viewer.sessions).toHaveLength(2);
    expect(data.viewer.sessions[1]).toEqual({ id: sessionId });
  });
});

describe("renew", () => {
  it("returns the next token pair of the session, and the same pair to an immediate retry", async () => {
    await using curfew = await startCurfew();
    const first = await register(curfew.url);
    const second = await renew(curfew.url, first.renewalToken);
    expect(second).toMatchObject({ sessionId: first.sessionId, userId: first.userId });
    expect(await renew(curfew.url, first.renewalToken)).toEqual(second);
    const outdated = await ask(curfew.url, "{ viewer { user { id } } }", {
      token: first.accessToken,
    });
    expect(outdated.data).toEqual({ viewer: null });
  });

  it("reports the reason of a refusal", async () => {
    await using curfew = await startCurfew();
    const { accessToken, renewalToken } = await register(curfew.url);
    expect(await renew(curfew.url, "")).toBe("MISSING");
    expect(await renew(curfew.url, "abc")).toBe("MALFORMED");
    expect(await renew(curfew.url, accessToken)).toBe("WRONG_KIND");
    await logout(curfew.url, accessToken);
    expect(await renew(curfew.url, renewalToken)).toBe("ENDED");
    const lines = curfew.log.filter(({ event }) => event === "renewalRefused");
    expect(lines.map(({ reason }) => reason)).toEqual(
      "MISSING MALFORMED WRONG_KIND ENDED".split(" "),
    );
  });

  it("ends the session of a deleted user", async () => {
    await using curfew = await startCurfew();
    const { tokens, session } = await curfew.sessions.start("deleted user", device);
    expect(await renew(curfew.url, tokens.renewalToken)).toBe("USER_GONE");
    expect(await curfew.sessions.readMany([session.fingerprint])).toEqual([{ state: "absent" }]);
  });
});

describe("logout", () => {
  it("succeeds without a session to end, and with any token", async () => {
    await using curfew = await startCurfew();
    const end = async (token: string | null) =>
      ask(curfew.url, "mutation ($token: String) { logout(token: $token) { endedSessions } }", {
        variables: { token },
      });
    const none = { status: 200, data: { logout: { endedSessions: 0 } } };
    for (const token of [null, "", "abc"]) expect(await end(token)).toEqual(none);
    const { renewalToken } = await register(curfew.url);
    expect((await end(renewalToken)).data).toEqual({ logout: { endedSessions: 1 } });
    expect(await end(renewalToken)).toEqual(none);
  });
});

describe("ending other sessions", () => {
  it("ends one session by its id, and no session of another user", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const { accessToken: token } = await register(curfew.url, email);
    const tablet = await login(curfew.url, email);
    const stranger = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, tablet.accessToken);
    const end = async (id: string) => {
      const query = "mutation ($id: ID!) { endSession(id: $id) { endedSessions } }";
      return (await ask(curfew.url, query, { token, variables: { id } })).data.endSession;
    };
    for (const id of [stranger.sessionId, "nothing", ""])
      expect(await end(id)).toEqual({ endedSessions: 0 });
    expect(await curfew.sessions.list(stranger.userId)).toMatchObject([{ generation: 0 }]);
    expect(await end(tablet.sessionId)).toEqual({ endedSessions: 1 });
    expect(await socket.closed).toMatchObject({ code: 4401, reason: "SESSION_ENDED" });
  });

  it("ends all sessions except the caller's", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const { accessToken: token, sessionId } = await register(curfew.url, email);
    const others = await Promise.all([login(curfew.url, email), login(curfew.url, email)]);
    const data = await askData(curfew.url, "mutation { endOtherSessions { endedSessions } }", {
      token,
    });
    expect(data.endOtherSessions.endedSessions).toBe(2);
    const ids = [sessionId, ...others.map((other) => other.sessionId)];
    expect((await curfew.sessions.readMany(ids)).map(({ state }) => state)).toEqual([
      "live",
      "absent",
      "absent",
    ]);
  });
});

describe("changePassword", () => {
  it("ends the other sessions with their sockets and reissues the caller's tokens", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const other = await login(curfew.url, email);
    await using socket = await connect(curfew.socketUrl, mine.accessToken);
    await using otherSocket = await connect(curfew.socketUrl, other.accessToken);
    const newPassword = "another long password";
    const change = { currentPassword: password, newPassword };

    const { data } = await run(curfew.url, "changePassword", change, mine.accessToken);

    const { tokens, ...changed } = data.changePassword;
    expect(changed).toEqual({ kind: "PasswordChanged", endedSessions: 1 });
    expect(await otherSocket.closed).toMatchObject({ code: 4401, reason: "SESSION_ENDED" });
    // The socket reconnects with a token from after the change.
    socket.subscribe("1", "{ viewer { session { id } } }");
    expect(await socket.closed).toMatchObject({ code: 4403, reason: "SESSION_EXPIRED" });
    const viewer = { viewer: { session: { id: mine.sessionId } } };
    await using next = await connect(curfew.socketUrl, tokens.accessToken);
    expect(next.ack.sessionId).toBe(mine.sessionId);
    const asked = (token: string) => ask(curfew.url, "{ viewer { session { id } } }", { token });
    expect((await asked(tokens.accessToken)).data).toEqual(viewer);
    expect((await asked(mine.accessToken)).data).toEqual({ viewer: null });
    const old = await run(curfew.url, "login", { email, password });
    expect(old.data.login.kind).toBe("InvalidCredentials");
    const now = await run(curfew.url, "login", { email, password: newPassword });
    expect(now.data.login.kind).toBe("SignedIn");
  });

  it("on a socket sends its result and complete before the socket closes with 4403", async () => {
    await using curfew = await startCurfew();
    const mine = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, mine.accessToken);
    const query = `mutation { changePassword(
      currentPassword: "${password}", newPassword: "another long password"
    ) { ... on PasswordChanged { endedSessions tokens { accessToken } } } }`;
    socket.subscribe("1", query);
    const { type, payload } = await socket.messages.next();
    expect(type).toBe("next");
    expect(await socket.messages.next()).toEqual({ id: "1", type: "complete" });
    expect(await socket.closed).toEqual({ code: 4403, reason: "SESSION_EXPIRED" });
    const { endedSessions, tokens } = payload.data.changePassword;
    expect(endedSessions).toBe(0);
    await using next = await connect(curfew.socketUrl, tokens.accessToken);
    expect(next.ack.sessionId).toBe(mine.sessionId);
  });

  it("runs no later field of the same document under the old token", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const mine = await register(curfew.url, email);
    const query = `mutation {
      changePassword(currentPassword: "${password}", newPassword: "another long password") {
        __typename
      }
      endOtherSessions { endedSessions }
    }`;
    const { errors } = await ask(curfew.url, query, { token: mine.accessToken });
    const refusal = { code: "UNAUTHENTICATED", reason: "EXPIRED" };
    expect(errors).toMatchObject([{ path: ["endOtherSessions"], extensions: refusal }]);
  });

  it("refuses a wrong password and an invalid new one, and changes nothing", async () => {
    await using curfew = await startCurfew();
    const { accessToken: token } = await register(curfew.url);
    const change = async (currentPassword: string, newPassword: string) =>
      (await run(curfew.url, "changePassword", { currentPassword, newPassword }, token)).data
        .changePassword;
    expect(await change("wrong password", "another long password")).toEqual({
      kind: "InvalidCredentials",
      message: text,
    });
    expect(await change(password, "short")).toMatchObject({
      kind: "InvalidInput",
      fields: [{ field: "newPassword", message: text }],
    });
    expect(
      (await ask(curfew.url, "{ viewer { user { id } } }", { token })).data.viewer,
    ).toBeTruthy();
  });
});

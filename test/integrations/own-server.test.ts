/** Curfew in an app's own Yoga and graphql-ws servers: the same guarantees hold as in Curfew's server. */
import { execute, GraphQLError, type ExecutionArgs } from "graphql";
import { createSchema, createYoga, type Plugin } from "graphql-yoga";
import { describe, expect, it } from "vitest";
import { openSessions, StoreUnavailable } from "../../src/index.ts";
import { secrets } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";
import { startOwnServer, type AppPlugin } from "./own-server.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };

describe("a Yoga server with the plugin", () => {
  it("adds the session to the context and protects @authenticated fields", async () => {
    await using server = await startOwnServer();
    const { accessToken: token, sessionId } = await register(server.url);
    const query = "{ hello own vault { word } }";
    expect((await ask(server.url, query, { token })).data).toEqual({
      hello: "world",
      own: sessionId,
      vault: { word: "sesame" },
    });
    const refused = await ask(server.url, "{ own }");
    expect(refused.errors?.[0]?.extensions).toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "MISSING",
    });
  });

  it("answers each operation of a batch separately", async () => {
    await using server = await startOwnServer();
    const { accessToken, sessionId } = await register(server.url);
    const response = await fetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${accessToken}` },
      body: JSON.stringify(["{ own }", "mutation { logout { endedSessions } }"].map(batched)),
    });
    expect(await response.json()).toEqual([
      { data: { own: sessionId } },
      { data: { logout: { endedSessions: 1 } } },
    ]);
  });

  it("starts no further protected field of a mutation after its session has ended", async () => {
    const began = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<number>();
    let calls = 0;
    const step = () => {
      calls += 1;
      began.resolve();
      return gate.promise;
    };
    await using server = await startOwnServer({
      appTypeDefs: "extend type Mutation { step: Int @authenticated }",
      appResolvers: { Mutation: { step } },
    });
    const { accessToken: token } = await register(server.url);
    const answer = ask(server.url, "mutation { a: step b: step }", { token });
    await began.promise;
    expect(await logout(server.url, token)).toBe(1);
    gate.resolve(1);
    const { errors } = await answer;
    expect(errors?.[0]?.extensions).toMatchObject({ code: "UNAUTHENTICATED", reason: "ENDED" });
    await until(() => server.connections.size === 0);
    expect(calls).toBe(1);
  });

  it("answers the largest batch without a warning", async () => {
    const warnings: string[] = [];
    const note = ({ name }: Error) => void warnings.push(name);
    process.on("warning", note);
    await using server = await startOwnServer();
    const response = await fetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(Array<string>(10).fill("{ hello }").map(batched)),
    });
    const answer = { data: { hello: "world" } };
    expect(await response.json()).toEqual(Array.from({ length: 10 }, () => answer));
    // Warnings are emitted in a later turn.
    await new Promise(setImmediate);
    process.off("warning", note);
    expect(warnings).toEqual([]);
  });

  it("ends event streams with their session, and no other session's", async () => {
    await using server = await startOwnServer();
    const email = newEmail();
    const mine = await register(server.url, email);
    const tablet = await login(server.url, email);
    const query = "subscription { said }";
    await using stream = await openStream(server.url, query, { token: mine.accessToken });
    await using other = await openStream(server.url, query, { token: tablet.accessToken });
    for (const { events } of [stream, other])
      expect((await events.next()).data).toEqual({ data: { said: "ready" } });
    expect(await logout(server.url, mine.accessToken)).toBe(1);
    expect((await stream.events.next()).data.errors[0].extensions).toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "ENDED",
    });
    await stream.ended;
    await server.events.publish("said", "later");
    expect((await other.events.next()).data).toEqual({ data: { said: "later" } });
  });

  it("ends a stream whose source awaits something", async () => {
    await using server = await startOwnServer();
    const { accessToken: token } = await register(server.url);
    await using stream = await openStream(server.url, "subscription { blocked }", { token });
    expect((await stream.events.next()).data).toEqual({ data: { blocked: 1 } });
    await logout(server.url, token);
    expect((await stream.events.next()).data.errors[0].extensions.reason).toBe("ENDED");
    await stream.ended;
  });

  it.each(["before", "after"] as const)(
    "ends requests although a plugin %s it replaces the execute function",
    async (place) => {
      const own: Plugin = {
        onExecute: ({ setExecuteFn }) => setExecuteFn((args: ExecutionArgs) => execute(args)),
      };
      await using server = await startOwnServer({ [place]: [own] });
      const { accessToken: token } = await register(server.url);
      await using socket = await connect(server.socketUrl, token);
      socket.subscribe("1", "{ slow }");
      const asked = ask(server.url, "{ slow }", { token });
      await server.app.started;
      // So that it has joined its session, and is not only checked at its start.
      await until(() => server.connections.size === 2);
      await logout(server.url, token);
      expect((await asked).errors?.[0]?.extensions?.["reason"]).toBe("ENDED");
      expect(await socket.closed).toEqual(sessionEnded);
    },
  );

  it("masks errors by the app's rules, and gives Curfew's errors their codes", async () => {
    const thrown: unknown[] = [];
    await using server = await startOwnServer({
      maskError: (error) => {
        thrown.push(error);
        return error instanceof Error && error.message.includes("try again")
          ? error
          : new GraphQLError("masked by the app");
      },
      appTypeDefs: "type Query { unavailable: Int }",
      appResolvers: {
        Query: {
          unavailable: () => {
            throw new StoreUnavailable("no answer");
          },
        },
      },
    });
    expect((await ask(server.url, "{ broken }")).errors?.[0]?.message).toBe("masked by the app");
    expect(String(thrown[0])).toContain("a secret of the app");
    const { errors } = await ask(server.url, "{ unavailable }");
    expect(errors?.[0]?.extensions?.["code"]).toBe("SERVICE_UNAVAILABLE");
  });

  it("works without Node's HTTP server", async () => {
    await using server = await startOwnServer();
    const { accessToken, sessionId } = await register(server.url);
    const response = await server.yoga.fetch("http://any/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${accessToken}` },
      body: JSON.stringify({ query: "{ own }" }),
    });
    expect(await response.json()).toEqual({ data: { own: sessionId } });
    const stream = await server.yoga.fetch("http://any/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "text/event-stream",
        authorization: `Bearer ${accessToken}`,
      },
      body: JSON.stringify({ query: "subscription { said }" }),
    });
    await until(() => server.connections.size === 1);
    await logout(server.url, accessToken);
    expect(await stream.text()).toContain('"reason":"ENDED"');
    await until(() => server.connections.size === 0);
  });
});

describe("graphql-ws with the options", () => {
  it("admits sockets under their session and closes them when it ends", async () => {
    await using server = await startOwnServer();
    const { accessToken, sessionId } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    expect(socket.ack).toMatchObject({ sessionId });
    socket.subscribe("1", "subscription { said }");
    expect((await socket.messages.next()).payload.data).toEqual({ said: "ready" });
    expect(server.connections.size).toBe(1);
    await logout(server.url, accessToken);
    expect(await socket.closed).toEqual(sessionEnded);
    await until(() => server.connections.size === 0);
  });

  it("keeps sockets open through a renewal", async () => {
    await using server = await startOwnServer();
    const { accessToken, renewalToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", "subscription { said }");
    await socket.messages.next();
    await renew(server.url, renewalToken);
    await server.events.publish("said", "still here");
    expect((await socket.messages.next()).payload.data).toEqual({ said: "still here" });
  });

  it("answers a logout on a socket before closing the socket", async () => {
    await using server = await startOwnServer();
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", "mutation { logout { endedSessions } }");
    expect((await socket.messages.next()).payload.data.logout).toEqual({ endedSessions: 1 });
    expect(await socket.closed).toEqual(sessionEnded);
  });

  it.each([
    [undefined, "UNAUTHENTICATED"],
    ["curfew_access_nonsense", "UNAUTHENTICATED"],
  ])("closes a socket whose token is %s with 4401", async (token, reason) => {
    await using server = await startOwnServer();
    await using socket = await new TestSocket(server.socketUrl).opened();
    socket.init({ token });
    expect(await socket.closed).toEqual({ code: 4401, reason });
    expect(server.connections.size).toBe(0);
  });

  it("limits the operations of a socket and the sockets of a session", async () => {
    await using server = await startOwnServer({
      maxOperationsPerSocket: 1,
      maxSocketsPerSession: 1,
    });
    const { accessToken: token } = await register(server.url);
    await using socket = await connect(server.socketUrl, token);
    socket.subscribe("1", "subscription { said }");
    await socket.messages.next();
    socket.subscribe("2", "subscription { said }");
    expect((await socket.messages.next()).payload[0].extensions.code).toBe("TOO_MANY_REQUESTS");
    await using second = await new TestSocket(server.socketUrl).opened();
    second.init({ token });
    expect(await second.closed).toEqual({ code: 1013, reason: "TOO_MANY_CONNECTIONS" });
  });

  it("runs operations through all plugins, with the session in the context", async () => {
    const generationAtRead: unknown[] = [];
    const counting: AppPlugin = {
      onExecute: ({ args }) => void generationAtRead.push(args.contextValue.session?.fingerprint),
      onValidate: ({ params }) => void generationAtRead.push(params.documentAST.kind),
    };
    await using server = await startOwnServer({ after: [counting] });
    const { accessToken, sessionId } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    generationAtRead.length = 0;
    socket.subscribe("1", "{ own }");
    expect((await socket.messages.next()).payload.data).toEqual({ own: sessionId });
    expect(generationAtRead).toEqual(["Document", sessionId]);
    const kinds = ["{", "{ unknown }", "query a { own } query b { own }"].map(async (query, id) => {
      await using other = await connect(server.socketUrl, accessToken);
      other.subscribe(String(id), query);
      return (await other.messages.next()).type;
    });
    expect(await Promise.all(kinds)).toEqual(["error", "error", "error"]);
  });

  it("rejects a Yoga server without the plugin", async () => {
    await using curfew = await openSessions({ dataDir: ":memory:", secrets, logLevel: "silent" });
    const schema = createSchema({ typeDefs: "type Query { a: Int }" });
    const bare = createYoga({ schema });
    expect(() => curfew.socketOptions(bare)).toThrow("lacks Curfew's plugin");
    const fitted = createYoga({ schema, plugins: [curfew.plugin] });
    expect(curfew.socketOptions(fitted)).toHaveProperty("onConnect");
  });
});

describe("an app's own login", () => {
  it("starts sessions through the service, and decides which users are disabled", async () => {
    const gone = new Set<string>();
    await using server = await startOwnServer({
      isUserDisabled: async (userId) => gone.has(userId),
    });
    const device = { userAgent: "Tests/1.0", ipAddress: null };
    const { session, tokens } = await server.sessions.start("member 7", device);
    await using socket = await connect(server.socketUrl, tokens.accessToken);
    expect(socket.ack.sessionId).toBe(session.fingerprint);
    const renewed = await server.sessions.renew(tokens.renewalToken);
    if (renewed.outcome === "refused") throw new Error(renewed.reason);
    gone.add("member 7");
    expect(await server.sessions.renew(renewed.tokens.renewalToken)).toMatchObject({
      outcome: "refused",
      reason: "USER_GONE",
    });
    expect(await socket.closed).toEqual(sessionEnded);
  });
});

it("keeps nothing open after close, even if an operation still runs", async () => {
  await using server = await startOwnServer({ drainTime: 0 });
  const { accessToken } = await register(server.url);
  await using socket = await connect(server.socketUrl, accessToken);
  socket.subscribe("1", "{ slow }");
  await server.app.started;
  await server.close();
  expect(await socket.closed).toEqual({ code: 1012, reason: "SERVICE_RESTART" });
});

it("closes connections retryably on close, and admits no new ones", async () => {
  await using server = await startOwnServer();
  const { accessToken } = await register(server.url);
  await using socket = await connect(server.socketUrl, accessToken);
  await using late = await new TestSocket(server.socketUrl).opened();
  const closing = server.close();
  expect(await socket.closed).toEqual({ code: 1012, reason: "SERVICE_RESTART" });
  late.init({ token: accessToken });
  expect((await late.closed).code).toBe(1012);
  await closing;
});

function batched(query: string): { readonly query: string } {
  return { query };
}

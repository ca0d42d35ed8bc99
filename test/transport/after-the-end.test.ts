/** Operations that are running when their session ends: they do nothing more, and reply only that it has ended. */
import { describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, askData, login, logout, newEmail, register } from "../helpers/http.ts";
import {
  intercept,
  withoutClose,
  memoryStore,
  memoryPubSub,
  memoryUsers,
} from "../helpers/backends.ts";
import { Queue } from "../helpers/queue.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
const extensions = { code: "UNAUTHENTICATED", reason: "ENDED" };

describe("fields after a logout in the same mutation are refused", () => {
  // Nullable, so that its refusal does not remove the other field's result.
  const typeDefs = /* GraphQL */ `
    extend type Mutation {
      others: Int @authenticated
    }
  `;
  function app() {
    const calls: string[] = [];
    const resolvers: CurfewOptions["resolvers"] = {
      Mutation: { others: () => calls.push("others") },
    };
    return { schema: { typeDefs, resolvers }, calls };
  }
  const query = "mutation { logout { endedSessions } others }";
  const answer = {
    data: { logout: { endedSessions: 1 }, others: null },
    errors: [{ path: ["others"], extensions }],
  };

  it("over HTTP", async () => {
    const { schema, calls } = app();
    await using curfew = await startCurfew(schema);
    const { accessToken: token } = await register(curfew.url);
    expect(await ask(curfew.url, query, { token })).toMatchObject(answer);
    expect(calls).toEqual([]);
  });

  it("over a socket, which closes after the reply", async () => {
    const { schema, calls } = app();
    await using curfew = await startCurfew(schema);
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.subscribe("1", query);
    expect(await socket.closed).toEqual(sessionEnded);
    expect(await socket.messages.next()).toMatchObject({ type: "next", payload: answer });
    expect(calls).toEqual([]);
  });

  it("logout followed by endOtherSessions leaves the user's other sessions open", async () => {
    await using curfew = await startCurfew();
    const email = newEmail();
    const { accessToken: token } = await register(curfew.url, email);
    const other = await login(curfew.url, email);
    const { errors } = await ask(
      curfew.url,
      "mutation { logout { endedSessions } endOtherSessions { endedSessions } }",
      { token },
    );
    expect(errors).toMatchObject([{ path: ["endOtherSessions"], extensions }]);
    expect(await logout(curfew.url, other.accessToken)).toBe(1);
  });
});

it("a slow request whose session ends gets an error reply and starts no further protected field", async () => {
  const gate = Promise.withResolvers<void>();
  const ran = new Queue<string>();
  await using curfew = await startCurfew({
    typeDefs: /* GraphQL */ `
      type Mutation {
        wait: Boolean
        guarded: Boolean @authenticated
        open: Boolean
      }
    `,
    resolvers: {
      Mutation: {
        wait: () => gate.promise,
        guarded: () => ran.push("guarded"),
        open: () => ran.push("open"),
      },
    },
  });
  const { accessToken: token } = await register(curfew.url);
  const answer = ask(curfew.url, "mutation { wait guarded open }", { token });
  await until(() => curfew.connections.size === 1, "the request to join its session");
  await logout(curfew.url, token);
  const { data, errors } = await answer;
  expect(data ?? null).toBeNull();
  expect(errors).toMatchObject([{ extensions }]);
  gate.resolve();
  expect(await ran.next()).toBe("open");
});

describe("a mutation starts no protected field after its session has ended", () => {
  /** Each field waits until the test resolves it. */
  function app() {
    const started = new Queue<() => void>();
    const step = async () => {
      const { promise, resolve } = Promise.withResolvers<number>();
      started.push(() => resolve(1));
      return promise;
    };
    const typeDefs = "type Mutation { step: Int @authenticated }";
    const resolvers: CurfewOptions["resolvers"] = { Mutation: { step } };
    return { started, schema: { typeDefs, resolvers } };
  }
  const fragments =
    "fragment Rest on Mutation { b: step ...More } fragment More on Mutation { c: step }";
  const query = `mutation { ...Rest ... on Mutation { a: step } } ${fragments}`;

  it.each([
    ["a POST", []],
    ["a POST through plugins", [{}]],
  ])("over %s", async (_, plugins) => {
    const { started, schema } = app();
    await using curfew = await startCurfew({ ...schema, plugins });
    const { accessToken: token } = await register(curfew.url);
    const answer = ask(curfew.url, query, { token });
    const resolveField = await started.next();
    expect(curfew.connections.size).toBe(1);
    expect(await logout(curfew.url, token)).toBe(1);
    resolveField();
    const { errors } = await answer;
    expect(errors).toMatchObject([{ extensions }]);
    await until(() => curfew.connections.size === 0);
    expect(started.pending).toEqual([]);
  });

  it("a mutation with one field reads the session once, like any request", async () => {
    const { started, schema } = app();
    await using curfew = await startCurfew(schema);
    const { accessToken: token } = await register(curfew.url);
    const answer = ask(curfew.url, "mutation { step }", { token });
    const resolveField = await started.next();
    expect(curfew.connections.size).toBe(0);
    resolveField();
    expect((await answer).data).toEqual({ step: 1 });
  });
});

describe("an error thrown by a subscription's source is masked for the client and logged once", () => {
  const app: CurfewOptions = {
    typeDefs: "type Subscription { flow: Int }",
    resolvers: {
      Subscription: {
        flow: {
          subscribe: async function* () {
            yield { flow: 1 };
            throw new Error("a secret of the app");
          },
        },
      },
    },
  };
  const masked = {
    message: "Unexpected error.",
    extensions: { code: "INTERNAL_SERVER_ERROR" },
  };

  it("over a socket", async () => {
    await using curfew = await startCurfew(app);
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    socket.subscribe("1", "subscription { flow }");
    expect((await socket.messages.next()).payload).toEqual({ data: { flow: 1 } });
    expect(await socket.messages.next()).toMatchObject({ id: "1", payload: [masked] });
    expect(curfew.log.filter((line) => JSON.stringify(line).includes("a secret"))).toHaveLength(1);
  });

  it("over server-sent events", async () => {
    await using curfew = await startCurfew(app);
    await using stream = await openStream(curfew.url, "subscription { flow }");
    expect((await stream.events.next()).data).toEqual({ data: { flow: 1 } });
    expect((await stream.events.next()).data).toMatchObject({ errors: [masked] });
    await stream.ended;
    expect(curfew.log.filter((line) => JSON.stringify(line).includes("a secret"))).toHaveLength(1);
  });
});

describe("an end that was stored but whose response was lost", () => {
  /** Two nodes that make no recheck during a test, and their store. */
  async function startNodes() {
    let answers: "all" | "not the end" | "none" = "all";
    const lost = () => Promise.reject(new StoreUnavailable("The response was lost."));
    const store = intercept(memoryStore(), {
      end: (real) => async (fingerprint, now) => {
        const ended = await real(fingerprint, now);
        return answers === "all" ? ended : lost();
      },
      readMany: (real) => (fingerprints, now) =>
        answers === "none" ? lost() : real(fingerprints, now),
    });
    await using opened = new AsyncDisposableStack();
    const shared = { store, pubsub: memoryPubSub(), users: memoryUsers() };
    for (const part of Object.values(shared)) opened.defer(() => part.close());
    const parts = {
      store: withoutClose(store),
      pubsub: withoutClose(shared.pubsub),
      users: withoutClose(shared.users),
    };
    const options = { backends: parts, recheckInterval: 3_600_000, outageGrace: 3_600_000 };
    const here = opened.use(await startCurfew(options));
    const there = opened.use(await startCurfew(options));
    const all = opened.move();
    const answer = (which: typeof answers) => void (answers = which);
    return { here, there, answer, [Symbol.asyncDispose]: () => all.disposeAsync() };
  }
  const query = "mutation { logout { endedSessions } }";
  const unavailable = [{ extensions: { code: "SERVICE_UNAVAILABLE" } }];

  it("closes the session's sockets on all nodes", async () => {
    await using nodes = await startNodes();
    const { here, there } = nodes;
    const { accessToken: token } = await register(here.url);
    await using near = await connect(here.socketUrl, token);
    await using far = await connect(there.socketUrl, token);
    nodes.answer("not the end");
    expect((await ask(here.url, query, { token })).errors).toMatchObject(unavailable);
    expect(await near.closed).toEqual(sessionEnded);
    expect(await far.closed).toEqual(sessionEnded);
  });

  it("closes the session's sockets when logout is repeated, although the session is already gone", async () => {
    await using nodes = await startNodes();
    const { here, there } = nodes;
    const { accessToken: token } = await register(here.url);
    await using near = await connect(here.socketUrl, token);
    await using far = await connect(there.socketUrl, token);
    nodes.answer("none");
    expect((await ask(here.url, query, { token })).errors).toMatchObject(unavailable);
    nodes.answer("all");
    for (const socket of [near, far]) {
      socket.send({ type: "ping" });
      expect(await socket.messages.next()).toEqual({ type: "pong" });
    }
    const again = "mutation ($token: String) { logout(token: $token) { endedSessions } }";
    const data = await askData(here.url, again, { variables: { token } });
    expect(data.logout).toEqual({ endedSessions: 0 });
    expect(await near.closed).toEqual(sessionEnded);
    expect(await far.closed).toEqual(sessionEnded);
  });
});

/** Event sources of an app that violate the iterator protocol: their sockets still close, and others stay open. */
import { expect, it } from "vitest";
import { startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

const never = () => new Promise<never>(() => {});
const raise = () => {
  throw new Error("A fault of the app");
};

/** Behaviours of the source's `return`, after its one event. */
const sources: Readonly<Record<string, () => unknown>> = {
  throws: raise,
  rejects: async () => raise(),
  "is not a promise": () => 1,
  "takes for ever": never,
};

it.each(Object.entries(sources))(
  "the socket closes at logout although its source's return %s",
  async (_, leave) => {
    let opened = 0;
    const source = () => {
      let events = 0;
      return {
        [Symbol.asyncIterator]: () => ({
          next: async () => ((events += 1) === 1 ? { done: false, value: { bad: 1 } } : never()),
          return: leave,
        }),
      };
    };
    await using curfew = await startCurfew({
      typeDefs: "type Subscription { bad: Int @authenticated }",
      resolvers: { Subscription: { bad: { subscribe: () => ((opened += 1), source() as never) } } },
    });
    const { accessToken: token, sessionId } = await register(curfew.url);
    const { accessToken: other } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, token);
    await using second = await connect(curfew.socketUrl, token);
    await using stream = await openStream(curfew.url, "subscription { bad }", { token });
    await using otherSession = await connect(curfew.socketUrl, other);
    for (const one of [socket, second, otherSession]) {
      one.subscribe("1", "subscription { bad }");
      expect(await one.messages.next()).toMatchObject({ payload: { data: { bad: 1 } } });
    }
    expect(opened).toBe(4);

    expect(await curfew.sessions.end(sessionId, "LOGOUT")).toBe(1);

    const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
    for (const one of [socket, second]) expect(await one.closed).toEqual(sessionEnded);
    await stream.ended;
    await until(() => curfew.connections.size === 1);
    otherSession.send({ type: "ping" });
    expect(await otherSession.messages.next()).toEqual({ type: "pong" });
  },
);

it("a resolver that returns no event source fails its operation and leaves the socket open", async () => {
  await using curfew = await startCurfew({
    typeDefs: "type Subscription { none: Int }",
    resolvers: { Subscription: { none: { subscribe: () => 5 as never } } },
  });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  socket.subscribe("1", "subscription { none }");
  const { payload } = await socket.messages.next();
  const [error] = payload.errors ?? payload;
  expect(error).toEqual({
    message: "Unexpected error.",
    extensions: { code: "INTERNAL_SERVER_ERROR" },
  });
  socket.subscribe("2", "{ __typename }");
  const ofSecond = async (): Promise<unknown> => {
    const message = await socket.messages.next();
    return message.id === "2" ? message.payload : ofSecond();
  };
  expect(await ofSecond()).toEqual({ data: { __typename: "Query" } });
});

/** Plugins that change results, in Curfew's server and in an app's own: no result outlives its session. */
import { setTimeout as pause } from "node:timers/promises";
import type { ExecutionArgs } from "graphql";
import { describe, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, logout, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";
import { startOwnServer, type AppPlugin } from "./own-server.ts";

const ended = { code: "UNAUTHENTICATED", reason: "ENDED", endReason: "LOGOUT" };

const servers = [
  [
    "Curfew's server",
    async (plugin: AppPlugin, options: { readonly maxOperationsPerSocket?: number } = {}) => {
      const app = testApp();
      const curfew = await startCurfew({ ...app.schema, plugins: [plugin], ...options });
      return { ...curfew, app, [Symbol.asyncDispose]: () => curfew.close() };
    },
  ],
  [
    "an app's own Yoga server",
    async (plugin: AppPlugin, options: { readonly maxOperationsPerSocket?: number } = {}) =>
      startOwnServer({ after: [plugin], ...options }),
  ],
] as const;

function asks(args: ExecutionArgs, field: string): boolean {
  return JSON.stringify(args.document).includes(`"${field}"`);
}

describe.each(servers)("in %s", (_, start) => {
  it("an event that a plugin delays is not delivered after the session has ended", async () => {
    const held = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const holding: AppPlugin = {
      onSubscribe: () => ({
        onSubscribeResult: () => ({
          onNext: async () => {
            held.resolve();
            await released.promise;
          },
        }),
      }),
    };
    await using server = await start(holding);
    const { accessToken: token } = await register(server.url);
    const opening = openStream(server.url, "subscription { said }", { token });
    await held.promise;
    await logout(server.url, token);
    await using stream = await opening;
    expect((await stream.events.next()).data.errors[0].extensions).toEqual(ended);
    await stream.ended;
    released.resolve();
  });

  it("a stream that a plugin creates ends with the session, and its source is returned", async () => {
    const left = Promise.withResolvers<void>();
    const streaming: AppPlugin = {
      onSubscribe: ({ setResultAndStopExecution }) =>
        setResultAndStopExecution(
          (async function* () {
            try {
              for (let count = 0; ; count += 1) {
                yield { data: { said: String(count) } };
                await pause(10);
              }
            } finally {
              left.resolve();
            }
          })(),
        ),
    };
    await using server = await start(streaming);
    const { accessToken: token } = await register(server.url);
    await using stream = await openStream(server.url, "subscription { said }", { token });
    expect((await stream.events.next()).data).toEqual({ data: { said: "0" } });
    await logout(server.url, token);
    await stream.ended;
    await left.promise;
    const last = stream.events.pending.findLast(({ event }) => event === "next");
    expect(last?.data.errors[0].extensions).toEqual(ended);
    await until(() => server.connections.size === 0);
  });

  it("an operation whose context took long to build does not start after the session has ended", async () => {
    const making = Promise.withResolvers<void>();
    const loggedOut = Promise.withResolvers<void>();
    const slow: AppPlugin = {
      onContextBuilding: async ({ context }) => {
        if (!("params" in context) || !JSON.stringify(context.params).includes("say")) return;
        making.resolve();
        // Longer than a request may run without another check.
        await Promise.all([loggedOut.promise, pause(1_100)]);
      },
    };
    await using server = await start(slow);
    const { accessToken: token } = await register(server.url);
    const asked = ask(server.url, 'mutation { say(text: "late") }', { token });
    await making.promise;
    await logout(server.url, token);
    loggedOut.resolve();
    expect((await asked).errors?.[0]?.extensions).toEqual(ended);
    expect(server.app.calls).toEqual([]);
  });

  it("a plugin that answers operations itself does not use up a socket's operation limit", async () => {
    const answering: AppPlugin = {
      onExecute: ({ args, setResultAndStopExecution }) => {
        if (asks(args, "hello")) setResultAndStopExecution({ data: { hello: "kept" } });
      },
    };
    await using server = await start(answering, { maxOperationsPerSocket: 2 });
    const { accessToken } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    for (const id of ["1", "2", "3", "4"]) {
      socket.subscribe(id, "{ hello }");
      expect((await socket.messages.next()).payload.data).toEqual({ hello: "kept" });
      expect((await socket.messages.next()).type).toBe("complete");
    }
  });

  it("an error of a plugin fails one operation of a socket and is masked", async () => {
    const throwing: AppPlugin = {
      onExecute: ({ args }) => {
        if (asks(args, "hello")) throw new Error("a secret of the plugin");
      },
    };
    await using server = await start(throwing);
    const { accessToken, sessionId } = await register(server.url);
    await using socket = await connect(server.socketUrl, accessToken);
    socket.subscribe("1", "{ hello }");
    expect((await socket.messages.next()).payload.errors).toEqual([
      { message: "Unexpected error.", extensions: { code: "INTERNAL_SERVER_ERROR" } },
    ]);
    expect((await socket.messages.next()).type).toBe("complete");
    socket.subscribe("2", "{ own }");
    expect((await socket.messages.next()).payload.data).toEqual({ own: sessionId });
  });
});

it("a result that a plugin cached as JSON reaches a socket unchanged", async () => {
  const kept = JSON.parse('{ "errors": [{ "message": "kept" }] }');
  const answering: AppPlugin = {
    onExecute: ({ args, setResultAndStopExecution }) => {
      if (asks(args, "hello")) setResultAndStopExecution(kept);
    },
  };
  const maskError = (error: unknown) => error as Error;
  await using server = await startOwnServer({ after: [answering], maskError });
  const { accessToken } = await register(server.url);
  await using socket = await connect(server.socketUrl, accessToken);
  socket.subscribe("1", "{ hello }");
  expect((await socket.messages.next()).payload).toEqual({ errors: [{ message: "kept" }] });
});

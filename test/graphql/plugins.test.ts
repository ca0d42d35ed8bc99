/** An app's plugins in Curfew's server see every operation, and keep none alive beyond its session. */
import { execute, GraphQLError, type ExecutionArgs } from "graphql";
import type { Plugin } from "graphql-yoga";
import { describe, expect, it } from "vitest";
import type { CurfewContext } from "../../src/index.ts";
import { testApp } from "../helpers/app.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, logout, register } from "../helpers/http.ts";
import { connect } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";
import { until } from "../helpers/until.ts";

/** Records each execution and its session. */
function noting() {
  const executions: string[] = [];
  const note = (hook: string) => (event: { readonly args: ExecutionArgs }) => {
    const { session } = event.args.contextValue as CurfewContext;
    executions.push(`${hook} ${session?.fingerprint ?? "anonymous"}`);
  };
  const plugin: Plugin = { onExecute: note("execute"), onSubscribe: note("subscribe") };
  return { executions, plugin };
}

describe("a plugin of an app", () => {
  it("sees every operation with its session: JSON, GET, event streams and sockets", async () => {
    const app = testApp();
    const { executions, plugin } = noting();
    await using curfew = await startCurfew({ ...app.schema, plugins: [plugin] });
    const { accessToken: token, sessionId } = await register(curfew.url);
    expect(executions.splice(0)).toEqual(["execute anonymous"]);

    await ask(curfew.url, "{ own }", { token });
    await fetch(`${curfew.url}?query={own}`, { headers: { authorization: `Bearer ${token}` } });
    await using stream = await openStream(curfew.url, "subscription { said }", { token });
    await stream.events.next();
    await using socket = await connect(curfew.socketUrl, token);
    socket.subscribe("1", "{ own }");
    expect((await socket.messages.next()).payload.data).toEqual({ own: sessionId });
    socket.subscribe("2", "subscription { said }");
    await until(() => socket.messages.pending.some(({ type }) => type === "next"));
    const kinds = ["execute", "execute", "subscribe", "execute", "subscribe"];
    expect(executions).toEqual(kinds.map((kind) => `${kind} ${sessionId}`));

    await logout(curfew.url, token);
    expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
    await stream.ended;
  });

  it("may refuse an operation, also on sockets", async () => {
    const refusing: Plugin = {
      onValidate: ({ params, setResult }) => {
        if (JSON.stringify(params.documentAST).includes("vault"))
          setResult([new GraphQLError("Not the vault", { extensions: { code: "NO_VAULT" } })]);
      },
    };
    await using curfew = await startCurfew({ ...testApp().schema, plugins: [refusing] });
    const { accessToken: token } = await register(curfew.url);
    const { errors } = await ask(curfew.url, "{ vault { word } }", { token });
    expect(errors?.[0]?.extensions?.["code"]).toBe("NO_VAULT");
    await using socket = await connect(curfew.socketUrl, token);
    socket.subscribe("1", "{ vault { word } }");
    expect((await socket.messages.next()).payload[0].extensions.code).toBe("NO_VAULT");
  });

  it("keeps no operation alive beyond its session, even with an execute function of its own", async () => {
    const own: Plugin = {
      onExecute: ({ setExecuteFn }) => setExecuteFn((args: ExecutionArgs) => execute(args)),
    };
    const app = testApp();
    await using curfew = await startCurfew({ ...app.schema, plugins: [own] });
    const { accessToken: token } = await register(curfew.url);
    const asked = ask(curfew.url, "{ slow }", { token });
    await app.started;
    await until(() => curfew.connections.size === 1);
    await logout(curfew.url, token);
    expect((await asked).errors?.[0]?.extensions?.["reason"]).toBe("ENDED");
  });

  it("does not reveal to clients what an app's resolver threw", async () => {
    await using curfew = await startCurfew({ ...testApp().schema, plugins: [noting().plugin] });
    const { accessToken: token } = await register(curfew.url);
    const hidden = { code: "INTERNAL_SERVER_ERROR" };
    const { errors } = await ask(curfew.url, "{ broken }", { token });
    expect(errors?.[0]).toMatchObject({ message: "Unexpected error.", extensions: hidden });
    for (const query of ["{ broken }", "subscription { broken }"]) {
      await using socket = await connect(curfew.socketUrl, token);
      socket.subscribe(query, query);
      const { payload } = await socket.messages.next();
      const [error] = payload.errors ?? payload;
      expect(error).toMatchObject({ message: "Unexpected error.", extensions: hidden });
    }
  });

  it("works beside Curfew's limits, and its refusals quote nothing", async () => {
    await using curfew = await startCurfew({ maxQueryAliases: 1, plugins: [noting().plugin] });
    const { accessToken: token } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, token);
    const renamed = "{ a: __typename b: __typename }";
    expect((await ask(curfew.url, renamed)).errors?.[0]?.extensions?.["code"]).toBe(
      "QUERY_TOO_COMPLEX",
    );
    socket.subscribe("1", renamed);
    expect((await socket.messages.next()).payload[0].extensions.code).toBe("QUERY_TOO_COMPLEX");
    socket.subscribe("2", '{ viewer "a secret" }');
    const { payload } = await socket.messages.next();
    expect(JSON.stringify(payload)).not.toContain("a secret");
  });
});

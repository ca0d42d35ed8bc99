/** `/metrics`: what is counted on a server that really runs, who may read it, and whom it says nothing of. */
import { Counter } from "prom-client";
import { describe, expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { startServer } from "../helpers/command.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, login, logout, newEmail, register, renew, tryLogin } from "../helpers/http.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { startNodes } from "../helpers/nodes.ts";
import { breakable, memoryStore } from "../helpers/backends.ts";
import { startRedis } from "../helpers/redis.ts";
import { openStream } from "../helpers/sse.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const token = "what Prometheus sends, of 32 bytes";
const unchecked = { recheckInterval: 3_600_000, outageGrace: 3_600_000 };

it("counts what happens to sessions, and why somebody was not let in", async () => {
  await using curfew = await startCurfew({ renewalGrace: 0, maxLoginFailures: 2 });
  const { url } = curfew;
  const email = newEmail();
  const mine = await register(url, email);
  const other = await login(url, email);
  await renew(url, other.renewalToken);
  await renew(url, other.renewalToken);
  await renew(url, "no token");
  await ask(url, "{ viewer { user { id } } }", { token: mine.renewalToken });
  for (let i = 0; i < 3; i += 1) await tryLogin(url, email, "a wrong password");
  await logout(url, mine.accessToken);
  await ask(url, "{ viewer { user { id } } }", { token: mine.accessToken });

  const { values } = await metricsOf(url);
  expect(Object.fromEntries(values)).toMatchObject({
    curfew_sessions_started_total: 2,
    curfew_sessions_renewed_total: 1,
    'curfew_sessions_ended_total{reason="LOGOUT"}': 1,
    'curfew_sessions_ended_total{reason="RENEWAL_REUSED"}': 1,
    'curfew_sessions_ended_total{reason="USER_GONE"}': 0,
    'curfew_renewals_refused_total{reason="REUSED"}': 1,
    'curfew_renewals_refused_total{reason="MALFORMED"}': 1,
    'curfew_access_refused_total{transport="http",reason="WRONG_KIND"}': 1,
    'curfew_access_refused_total{transport="http",reason="ENDED"}': 1,
    'curfew_access_refused_total{transport="socket",reason="ENDED"}': 0,
    'curfew_attempts_refused_total{attempt="login",reason="WRONG_PASSWORD"}': 2,
    'curfew_attempts_refused_total{attempt="login",reason="ATTEMPTS"}': 1,
  });
  expect(values.has('curfew_sessions_ended_total{reason="EXPIRED"}')).toBe(false);
});

it("counts connections by transport, while they are open and as they end", async () => {
  await using curfew = await startCurfew(testApp().schema);
  const { accessToken } = await register(curfew.url);
  await using one = await connect(curfew.socketUrl, accessToken);
  await using two = await connect(curfew.socketUrl, accessToken);
  await using stream = await openStream(curfew.url, "subscription { said }", {
    token: accessToken,
  });
  const open = async () => {
    const { values } = await metricsOf(curfew.url);
    return ["socket", "stream"].map((each) =>
      values.get(`curfew_connections{transport="${each}"}`),
    );
  };
  expect(await open()).toEqual([2, 1]);

  two.ws.close();
  await two.closed;
  await until(async () => (await open())[0] === 1, "the socket to be gone");
  await logout(curfew.url, accessToken);
  await one.closed;
  await stream.ended;

  await until(async () => String(await open()) === "0,0", "all to be gone");
  const { values } = await metricsOf(curfew.url);
  const ended = (transport: string, ending: string) =>
    values.get(`curfew_connections_ended_total{transport="${transport}",ending="${ending}"}`);
  expect([ended("socket", "LEFT"), ended("socket", "ENDED"), ended("stream", "ENDED")]).toEqual([
    1, 1, 1,
  ]);
});

it("measures the time from an end to each close, on the node that ended the session and on the others", async () => {
  await using redis = await startRedis();
  await using nodes = await startNodes(redis, unchecked);
  const { here, there } = nodes;
  const { accessToken } = await register(here.url);
  await using local = await connect(here.socketUrl, accessToken);
  await using first = await connect(there.socketUrl, accessToken);
  await using second = await connect(there.socketUrl, accessToken);

  const began = performance.now();
  await logout(here.url, accessToken);
  await Promise.all([local.closed, first.closed, second.closed]);
  const seconds = (performance.now() - began) / 1000;

  for (const [node, count] of [
    [here, 1],
    [there, 2],
  ] as const) {
    const page = await metricsOf(node.url);
    expect(page.sum("curfew_end_to_close_seconds_count")).toBe(count);
    expect(page.sum("curfew_end_to_close_seconds_sum")).toBeLessThan(count * seconds);
    expect(page.sum("curfew_recheck_found_total")).toBe(0);
  }
});

it("counts an end that no message told of as found, and does not guess its time", async () => {
  await using redis = await startRedis();
  await using curfew = await startCurfew({ redisUrl: redis.url, recheckInterval: 100 });
  const { accessToken, sessionId } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);

  await redis.command("DEL", `curfew:session:{${sessionId}}`);
  await socket.closed;

  const page = await metricsOf(curfew.url);
  expect(page.sum("curfew_recheck_found_total")).toBe(1);
  expect(page.sum("curfew_end_to_close_seconds_count")).toBe(0);
  expect(page.values.get('curfew_recheck_seconds_count{outcome="complete"}')).toBeGreaterThan(0);
});

it("measures the store by what it is asked, and tells an answer from none", async () => {
  const store = breakable(memoryStore());
  await using curfew = await startCurfew({ backends: { store: store.part }, recheckInterval: 50 });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  const count = async (operation: string, outcome: string) => {
    const { values } = await metricsOf(curfew.url);
    const labels = `operation="${operation}",outcome="${outcome}"`;
    return values.get(`curfew_store_seconds_count{${labels}}`) ?? 0;
  };
  const before = await count("read", "ok");
  await ask(curfew.url, "{ viewer { user { id } } }", { token: accessToken });
  expect(await count("read", "ok")).toBe(before + 1);
  expect(await count("create", "ok")).toBe(1);

  store.goDown();
  await ask(curfew.url, "{ viewer { user { id } } }", { token: accessToken });
  expect(await count("read", "unavailable")).toBe(1);
  await until(async () => (await count("readMany", "unavailable")) > 0, "a recheck to fail");
  await until(async () => {
    const { values } = await metricsOf(curfew.url);
    return (values.get('curfew_recheck_seconds_count{outcome="incomplete"}') ?? 0) > 0;
  }, "it to be counted");
  expect((await metricsOf(curfew.url)).sum("curfew_faults_total")).toBeGreaterThan(0);
  store.comeBack();
  expect(socket.ws.readyState).toBe(socket.ws.OPEN);
});

it("says how late the event loop is, with the rest that Node tells of a process", async () => {
  await using curfew = await startCurfew();
  await metricsOf(curfew.url);
  const { values } = await metricsOf(curfew.url);
  for (const name of [
    "nodejs_eventloop_lag_p99_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
  ])
    expect(values.get(name), name).toBeGreaterThan(0);
});

it("keeps the servers of one process apart, and shows what an app adds", async () => {
  await using one = await startCurfew();
  await using two = await startCurfew();
  const own = new Counter({ name: "shop_orders_total", help: "Orders.", registers: [one.metrics] });
  own.inc(3);
  await register(one.url);
  const [first, second] = [await metricsOf(one.url), await metricsOf(two.url)];
  expect(first.sum("curfew_sessions_started_total")).toBe(1);
  expect(second.sum("curfew_sessions_started_total")).toBe(0);
  expect([first.sum("shop_orders_total"), second.values.has("shop_orders_total")]).toEqual([
    3,
    false,
  ]);
});

it("says nothing of anybody, and nothing secret", async () => {
  await using curfew = await startCurfew({ metricsToken: token });
  const email = newEmail();
  const { accessToken, renewalToken, sessionId, userId } = await register(curfew.url, email);
  await using socket = await connect(curfew.socketUrl, accessToken);
  await tryLogin(curfew.url, email, "a wrong password");
  await logout(curfew.url, accessToken);
  await socket.closed;
  const { text } = await metricsOf(curfew.url, token);
  for (const hidden of [accessToken, renewalToken, sessionId, userId, email, "127.0.0.1", token])
    expect(text).not.toContain(hidden);
});

it("has no more series, whatever strangers send", async () => {
  await using curfew = await startCurfew();
  const stranger = async (word: string) => {
    await ask(curfew.url, "{ viewer { user { id } } }", { token: word });
    await renew(curfew.url, word);
    await fetch(new URL(`/${word}`, curfew.url), { headers: { "user-agent": word } });
  };
  await stranger("one");
  const before = (await metricsOf(curfew.url)).values.size;
  for (const word of ["two", "three", "four"]) await stranger(word);
  expect((await metricsOf(curfew.url)).values.size).toBe(before);
});

describe("who may read it", () => {
  const status = async (url: string, authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization };
    return (await fetch(new URL("/metrics", url), { headers })).status;
  };

  it("is who has the token, where there is one", async () => {
    await using curfew = await startCurfew({ metricsToken: token });
    expect(await status(curfew.url, `Bearer ${token}`)).toBe(200);
    for (const wrong of [undefined, token.slice(1), `Bearer ${token}x`, "Bearer", "Basic eDp5"])
      expect(await status(curfew.url, wrong)).toBe(401);
  });

  it("is nobody in production, unless there is a token", async () => {
    const env = {
      PORT: "0",
      DATA_DIR: ":memory:",
      NODE_ENV: "production",
      CURFEW_SECRETS: "q4Jq2bX9sT7vYw1zK8mN3pR6uA5cD0eF",
    };
    await using closed = await startServer(env);
    expect(await status(closed.url)).toBe(404);
    await using spaced = await startServer({ ...env, NODE_ENV: "production " });
    expect(await status(spaced.url)).toBe(404);
    await using open = await startServer({ ...env, METRICS_TOKEN: token });
    expect([await status(open.url), await status(open.url, `Bearer ${token}`)]).toEqual([401, 200]);
  });

  it("is no page of another origin, and it is read only", async () => {
    await using curfew = await startCurfew();
    const page = new URL("/metrics", curfew.url);
    const answer = await fetch(page, { headers: { origin: "https://elsewhere.example" } });
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect((await fetch(page, { method: "POST" })).status).toBe(404);
    expect((await fetch(page, { method: "HEAD" })).headers.get("content-type")).toMatch(
      /^text\/plain; version=0\.0\.4/,
    );
  });
});

/** `http`: a query for the signed-in user by POST, with the session check, on 32 connections. */
import type { Actor } from "../harness/processes.ts";
import { startCurfew, startLoad, startServer, type ServerOrders } from "../harness/environment.ts";
import { quantile } from "../harness/stats.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

const query = "{ viewer { user { id } } }";

export const http: Workload = async (bench) => {
  const { environment } = bench;
  const { env, user } = environment;
  const [warmUp, count, paced] = bench.quick ? [500, 1_000, 200] : [1_000, 3_500, 250];

  const round = (start: () => Promise<Actor<ServerOrders>>, token?: string) => async () => {
    await using server = await start();
    await using load = await startLoad();
    const answer = token === undefined ? null : { user: { id: user.userId } };
    const requests = {
      url: await server.ask("url"),
      token,
      bodies: [{ query }],
      answers: [JSON.stringify({ data: { viewer: answer } })],
    };
    await load.ask("closedLoop", { ...requests, connections: 32, count: warmUp });
    const before = await server.ask("cpu");
    const seconds = await load.ask("closedLoop", { ...requests, connections: 32, count });
    const cpu = (await server.ask("cpu")) - before;
    const latencies = await load.ask("openLoop", { ...requests, perSecond: 1_000, count: paced });
    return {
      "per second": count / seconds,
      "CPU µs": cpu / count,
      "p50 ms": quantile(latencies, 0.5),
      "p99 ms": quantile(latencies, 0.99),
    };
  };
  const peer = (file: string, more = {}) =>
    round(() => startServer(file, { env: { ...env, ...more } }), user.accessToken);

  const results = await compete(bench, [
    { name: "Curfew", round: round(() => startCurfew(env), user.accessToken) },
    { name: "Curfew without a token", round: round(() => startCurfew(env)) },
    { name: "Apollo Server", round: peer("peers/apollo.ts") },
    { name: "mercurius", round: peer("peers/mercurius.ts") },
    { name: "mercurius with JIT", round: peer("peers/mercurius.ts", { JIT: "1" }) },
    { name: "Yoga", round: peer("servers/yoga.ts") },
  ]);
  const ratio = (over: string) => ({
    name: `requests per second, Curfew ÷ ${over}`,
    unit: "" as const,
    value: results.ratio("Curfew", over, "per second"),
    control: results.control("Curfew", "per second"),
  });
  return {
    workload: "http",
    work: `${count} requests of ${query} on 32 connections; latencies at 1000 a second`,
    rows: rowsOf(results),
    figures: [
      { ...ratio("Apollo Server"), target: { atLeast: 2.5 } },
      { ...ratio("mercurius"), target: { atLeast: 1 } },
      ratio("mercurius with JIT"),
      ratio("Yoga"),
      { ...ratio("Curfew without a token"), target: { atLeast: 0.85 } },
    ],
  };
};

/** `logout`: the time from its response on one node to the last close of the session's sockets on another node. */
import { startCurfew, startLoad, startServer } from "../harness/environment.ts";
import { median, quantile } from "../harness/stats.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";
import type { RedisOrders } from "../servers/redis.ts";
import type { GraphqlWsOrders } from "../servers/sockets.ts";

export const logout: Workload = async (bench) => {
  const { env } = bench.environment;
  const many = bench.quick ? 1_000 : 10_000;
  const repetitions: readonly (readonly [sockets: number, times: number])[] = bench.quick
    ? [[1, 20], [100, 2], [many, 1]] // prettier-ignore
    : [[1, 200], [100, 10], [1_000, 1], [many, 1]]; // prettier-ignore
  // The only raised limit, for sessions with more than a hundred sockets.
  const own = { ...env, MAX_SOCKETS_PER_SESSION: String(many) };

  const curfew = async () => {
    await using here = await startCurfew(own);
    await using there = await startCurfew(own);
    await using load = await startLoad();
    const [url, socketUrl] = [await here.ask("url"), await there.ask("url")];
    const sample: Record<string, number> = {};
    for (const [sockets, times] of repetitions) {
      const started = await here.ask("start", { count: times });
      const tokens = started.map(({ accessToken }) => accessToken);
      const logouts = await load.ask("logouts", { url, socketUrl, tokens, sockets });
      const fromAnswer = logouts.map((one) => one.fromAnswer);
      const fromRequest = logouts.map((one) => one.fromRequest);
      sample[`${sockets}: ms`] = median(fromAnswer);
      if (sockets === 1) sample["1: p99 ms"] = quantile(fromAnswer, 0.99);
      sample[`${sockets}: ms from the request`] = median(fromRequest);
    }
    return sample;
  };
  const publish = async () => {
    await using redis = await startServer<RedisOrders>("servers/redis.ts", { env });
    await redis.ask("publish", { count: 100 });
    const latencies = await redis.ask("publish", { count: bench.quick ? 50 : 500 });
    return { "1: ms": median(latencies), "1: p99 ms": quantile(latencies, 0.99) };
  };
  const closing = async () => {
    await using server = await startServer<GraphqlWsOrders>("servers/graphql-ws.ts");
    await using load = await startLoad();
    const url = await server.ask("url");
    await load.ask("connectAll", { url, tokens: Array.from({ length: many }, () => "") });
    const closed = load.ask("allClosed", { code: 4401 });
    const began = await server.ask("closeAll");
    return { [`${many}: ms`]: (await closed) - began };
  };

  const results = await compete(
    bench,
    [
      { name: "Curfew", round: curfew },
      { name: "Redis, from publish to callback", round: publish },
      { name: "ws, closing in a loop", round: closing },
    ],
    { mirrored: false },
  );
  const milliseconds = (measure: string, atMost: number) => ({
    name: `logout, sockets ${measure}`,
    unit: "ms" as const,
    value: results.estimate("Curfew", measure),
    control: results.control("Curfew", measure),
    target: { atMost },
  });
  return {
    workload: "logout",
    work: `sessions with ${repetitions.map(([sockets]) => sockets).join(", ")} sockets on another node than the one that is asked; milliseconds from the answer, less than 0 where it came later than the last close`,
    rows: rowsOf(results),
    figures: [
      {
        name: "logout of 1 socket, p50 ÷ Redis's from publish to callback",
        unit: "",
        value: results.ratio("Curfew", "Redis, from publish to callback", "1: ms"),
        // The time from the response is near zero, so its ratio to itself would mean nothing.
        control: results.control("Curfew", "1: ms from the request"),
        target: { atMost: 3 },
      },
      milliseconds("1: p99 ms", 5),
      {
        name: `logout of ${many} sockets ÷ closing them in a loop`,
        unit: "",
        value: results.ratio("Curfew", "ws, closing in a loop", `${many}: ms`),
        control: results.control("Curfew", `${many}: ms`),
        target: { atMost: 1.3 },
      },
      milliseconds(`${many}: ms`, 500),
    ],
  };
};

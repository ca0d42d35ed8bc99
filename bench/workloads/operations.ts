/** `operations`: queries on open sockets, on one socket and on a thousand. */
import type { Actor } from "../harness/processes.ts";
import { startCurfew, startLoad, startServer, type ServerOrders } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

const query = "{ viewer { user { id } } }";

export const operations: Workload = async (bench) => {
  const { env, user } = bench.environment;
  const [warmUp, count, sockets] = bench.quick ? [100, 200, 50] : [1_000, 4_000, 1_000];

  const round = (start: () => Promise<Actor<ServerOrders>>, id: string) => async () => {
    await using server = await start();
    await using load = await startLoad();
    const url = await server.ask("url");
    const answer = JSON.stringify({ data: { viewer: { user: { id } } } });
    const work = { query, answer, inFlight: 32 };
    const measure = async (open: number) => {
      await load.ask("connectAll", { url, tokens: tokens.slice(0, open) });
      await load.ask("operate", { ...work, count: warmUp });
      const before = await server.ask("cpu");
      const seconds = await load.ask("operate", { ...work, count });
      const cpu = (await server.ask("cpu")) - before;
      await load.ask("terminateAll");
      return [count / seconds, cpu / count] as const;
    };
    const [one, cpuOfOne] = await measure(1);
    const [many, cpuOfMany] = await measure(sockets);
    return {
      "per second, 1 socket": one,
      "CPU µs, 1 socket": cpuOfOne,
      [`per second, ${sockets} sockets`]: many,
      [`CPU µs, ${sockets} sockets`]: cpuOfMany,
    };
  };
  const tokens = await tokensOf(user.userId);

  const results = await compete(
    bench,
    [
      { name: "Curfew", round: round(() => startCurfew(env), user.userId) },
      {
        name: "graphql-ws, unchecked",
        round: round(() => startServer("servers/graphql-ws.ts"), "1"),
      },
    ],
    { mirrored: false },
  );
  const ratio = (measure: string) => ({
    name: `queries ${measure}, Curfew ÷ graphql-ws, unchecked`,
    unit: "" as const,
    value: results.ratio("Curfew", "graphql-ws, unchecked", measure),
    control: results.control("Curfew", measure),
  });
  return {
    workload: "operations",
    work: `${count} queries, 32 at once, over 1 and over ${sockets} sockets, each under a session of its own`,
    rows: rowsOf(results),
    figures: [ratio("per second, 1 socket"), ratio(`per second, ${sockets} sockets`)],
  };

  /** Starts sessions of one user, for whom the query asks: more than `MAX_SESSIONS_PER_USER` allows by default. */
  async function tokensOf(userId: string): Promise<string[]> {
    await using server = await startCurfew({ ...env, MAX_SESSIONS_PER_USER: "0" });
    const started = await server.ask("start", { count: sockets, userId });
    return started.map(({ accessToken }) => accessToken);
  }
};

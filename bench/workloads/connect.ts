/** `connect`: opens sockets and waits for their acknowledgement, each under a session of its own. */
import type { Actor } from "../harness/processes.ts";
import { startCurfew, startLoad, startServer, type ServerOrders } from "../harness/environment.ts";
import { signedJwt } from "../harness/jwt.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

const jwtSecret = "a secret of the benchmark of 32 bytes or more";

export const connect: Workload = async (bench) => {
  const { env, sessions } = bench.environment;
  const [warmUp, count] = bench.quick ? [100, 200] : [400, 1_600];
  const tokens = (await sessions(warmUp + count)).map(({ accessToken }) => accessToken);
  const jwt = await signedJwt(jwtSecret);

  const round =
    (start: () => Promise<Actor<ServerOrders>>, given = tokens) =>
    async () => {
      await using server = await start();
      await using load = await startLoad();
      const url = await server.ask("url");
      await load.ask("connectAll", { url, tokens: given.slice(0, warmUp) });
      const before = await server.ask("cpu");
      const seconds = await load.ask("connectAll", { url, tokens: given.slice(warmUp) });
      const cpu = (await server.ask("cpu")) - before;
      return { "per second": count / seconds, "CPU µs": cpu / count };
    };

  const results = await compete(bench, [
    { name: "Curfew", round: round(() => startCurfew(env)) },
    { name: "graphql-ws, unchecked", round: round(() => startServer("servers/graphql-ws.ts")) },
    {
      name: "graphql-ws, jose",
      round: round(
        () => startServer("peers/graphql-ws-jose.ts", { env: { JWT_SECRET: jwtSecret } }),
        tokens.map(() => jwt),
      ),
    },
  ]);
  const ratio = (over: string) => ({
    name: `connects per second, Curfew ÷ ${over}`,
    unit: "" as const,
    value: results.ratio("Curfew", over, "per second"),
    control: results.control("Curfew", "per second"),
  });
  return {
    workload: "connect",
    work: `${count} sockets opened and acknowledged, 64 at a time, each under a session of its own`,
    rows: rowsOf(results),
    figures: [
      { ...ratio("graphql-ws, unchecked"), target: { atLeast: 0.75 } },
      ratio("graphql-ws, jose"),
    ],
  };
};

/** `recheck`: the cost of reading the sessions of ten thousand connections again. */
import { startCurfew, startLoad } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

export const recheck: Workload = async (bench) => {
  const { env, sessions } = bench.environment;
  const [connections, times] = bench.quick ? [500, 2] : [10_000, 6];
  const tokens = (await sessions(connections)).map(({ accessToken }) => accessToken);

  const round = async () => {
    // This program triggers the rechecks; the node itself runs few.
    await using server = await startCurfew({ ...env, RECHECK_INTERVAL: "30s" });
    await using load = await startLoad();
    await load.ask("connectAll", { url: await server.ask("url"), tokens });
    await server.ask("recheck");
    await server.ask("watchDelays");
    const before = await server.ask("cpu");
    const began = performance.now();
    for (let i = 0; i < times; i += 1) await server.ask("recheck");
    return {
      "CPU ms": ((await server.ask("cpu")) - before) / 1_000 / times,
      ms: (performance.now() - began) / times,
      "longest stall ms": await server.ask("longestDelay"),
    };
  };

  const results = await compete(bench, [{ name: "Curfew", round }], { blocks: 3, mirrored: false });
  return {
    workload: "recheck",
    work: `one recheck of ${connections} connections, each under a session of its own; by default there is one in 5 s`,
    rows: rowsOf(results),
    figures: [
      {
        name: `CPU of one recheck of ${connections} connections`,
        unit: "ms",
        value: results.estimate("Curfew", "CPU ms"),
      },
    ],
  };
};

/** `idle`: the CPU of idle sockets: pings, and the rechecks of their sessions. */
import { setTimeout as pause } from "node:timers/promises";
import { startCurfew, startLoad, startServer } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

/** The interval of pings, also that of graphql-ws (seconds). */
const window = 12;

export const idle: Workload = async (bench) => {
  const { env, sessions } = bench.environment;
  const [count, seconds] = bench.quick ? [200, 1] : [4_000, window];
  const tokens = (await sessions(count)).map(({ accessToken }) => accessToken);

  // Both servers at the same time, because idle servers do not disturb each other.
  const round = async () => {
    await using curfew = await startCurfew(env);
    await using bare = await startServer("servers/graphql-ws.ts");
    await using load = await startLoad();
    for (const server of [curfew, bare])
      await load.ask("connectAll", { url: await server.ask("url"), tokens });
    await pause(1_000);
    const before = [await curfew.ask("cpu"), await bare.ask("cpu")] as const;
    await pause(seconds * 1_000);
    const after = [await curfew.ask("cpu"), await bare.ask("cpu")] as const;
    const each = count * seconds;
    return { Curfew: (after[0] - before[0]) / each, "graphql-ws": (after[1] - before[1]) / each };
  };

  const name = "CPU µs a second of a socket";
  const results = await compete(bench, [{ name, round }], { blocks: 2, mirrored: false });
  return {
    workload: "idle",
    work: `${count} sockets, each under a session of its own, that do nothing for ${seconds} s`,
    rows: rowsOf(results),
    figures: [
      {
        name: "CPU of an idle socket, Curfew ÷ graphql-ws",
        unit: "",
        value: results.ratio(name, name, "Curfew", "graphql-ws"),
      },
    ],
  };
};

/** `mass`: ends five thousand sessions at once, with ten thousand sockets on another node. */
import { startCurfew, startLoad } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";

export const mass: Workload = async (bench) => {
  const { env } = bench.environment;
  const count = bench.quick ? 500 : 5_000;

  const round = async () => {
    await using here = await startCurfew(env);
    await using there = await startCurfew(env);
    await using load = await startLoad();
    const sessions = await here.ask("start", { count });
    const tokens = sessions.flatMap(({ accessToken }) => [accessToken, accessToken]);
    await load.ask("connectAll", { url: await there.ask("url"), tokens });
    await Promise.all([here.ask("watchDelays"), there.ask("watchDelays")]);
    const closed = load.ask("allClosed", { code: 4401 });
    const fingerprints = sessions.map(({ fingerprint }) => fingerprint);
    const began = await here.ask("end", { fingerprints });
    const time = (await closed) - began;
    return {
      "ms to the last close": time,
      "longest stall ms, where they were ended": await here.ask("longestDelay"),
      "longest stall ms, where they were connected": await there.ask("longestDelay"),
    };
  };

  const results = await compete(bench, [{ name: "Curfew", round }], { mirrored: false });
  const milliseconds = (measure: string, atMost: number) => ({
    name: measure,
    unit: "ms" as const,
    value: results.estimate("Curfew", measure),
    target: { atMost },
  });
  return {
    workload: "mass",
    work: `${count} sessions of as many users, with ${2 * count} sockets, ended at once on another node`,
    rows: rowsOf(results),
    figures: [
      milliseconds("ms to the last close", 1_000),
      milliseconds("longest stall ms, where they were ended", 50),
      milliseconds("longest stall ms, where they were connected", 50),
    ],
  };
};

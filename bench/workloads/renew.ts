/** `renew`: renews sessions one generation after the other, 32 sessions in parallel. */
import type { Env } from "../harness/processes.ts";
import { startCurfew, startServer } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";
import type { RedisOrders } from "../servers/redis.ts";

const atOnce = 32;
const warmUp = 64;

export const renew: Workload = async (bench) => {
  const { env, user } = bench.environment;
  const [count, times] = bench.quick ? [50, 4] : [250, 10];
  const { userId } = user;

  const curfew = (own: Env) => async () => {
    // All sessions belong to one user, so this limit is removed. It plays no part in a renewal.
    await using server = await startCurfew({ ...own, MAX_SESSIONS_PER_USER: "0" });
    const sessions = await server.ask("start", { count: warmUp + count, userId });
    const tokens = sessions.map(({ renewalToken }) => renewalToken);
    await server.ask("renew", { tokens: tokens.slice(0, warmUp), times, atOnce });
    const before = await server.ask("cpu");
    const seconds = await server.ask("renew", { tokens: tokens.slice(warmUp), times, atOnce });
    const cpu = (await server.ask("cpu")) - before;
    return { "per second": (count * times) / seconds, "CPU µs": cpu / count / times };
  };
  const script = async () => {
    const sessions = await bench.environment.sessions(warmUp + count);
    const fingerprints = sessions.map(({ fingerprint }) => fingerprint);
    await using redis = await startServer<RedisOrders>("servers/redis.ts", { env });
    await redis.ask("renew", { fingerprints: fingerprints.slice(0, warmUp), times, atOnce });
    const before = await redis.ask("cpu");
    const timed = { fingerprints: fingerprints.slice(warmUp), times, atOnce };
    const seconds = await redis.ask("renew", timed);
    const cpu = (await redis.ask("cpu")) - before;
    return { "per second": (count * times) / seconds, "CPU µs": cpu / count / times };
  };
  const { REDIS_URL: _, ...alone } = env;

  const results = await compete(bench, [
    { name: "Curfew on Redis", round: curfew(env) },
    { name: "the script alone", round: script },
    { name: "Curfew on SQLite", round: curfew(alone) },
  ]);
  return {
    workload: "renew",
    work: `${count} sessions renewed ${times} times each, ${atOnce} at once, without HTTP`,
    rows: rowsOf(results),
    figures: [
      {
        name: "renewals per second, Curfew on Redis ÷ the script alone",
        unit: "",
        value: results.ratio("Curfew on Redis", "the script alone", "per second"),
        control: results.control("Curfew on Redis", "per second"),
        target: { atLeast: 0.5 },
      },
    ],
  };
};

/** `token`: the cost of verifying an access token, without the store. */
import { signedJwt } from "../harness/jwt.ts";
import { startServer } from "../harness/environment.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";
import type { VerifyingOrders } from "../servers/verifying.ts";

const jwtSecret = "a secret of the benchmark of 32 bytes or more";

export const token: Workload = async (bench) => {
  const { env, user } = bench.environment;
  const [warmUp, count] = bench.quick ? [1_000, 2_000] : [5_000, 12_000];
  const jwt = await signedJwt(jwtSecret);

  const round = (file: string, given: string) => async () => {
    await using verifier = await startServer<VerifyingOrders>(file, {
      env: { ...env, JWT_SECRET: jwtSecret },
    });
    const { wall, cpu } = await verifier.ask("verify", { token: given, warmUp, count });
    return { ns: wall, "CPU ns": cpu };
  };

  const results = await compete(bench, [
    { name: "Curfew", round: round("servers/verify-curfew.ts", user.accessToken) },
    { name: "jose", round: round("peers/verify-jose.ts", jwt) },
    { name: "HMAC alone", round: round("servers/verify-hmac.ts", "") },
  ]);
  const control = results.control("Curfew", "ns");
  return {
    workload: "token",
    work: `${count} verifications of one token, after ${warmUp} that are not counted`,
    rows: rowsOf(results),
    figures: [
      {
        name: "time, jose ÷ Curfew",
        unit: "",
        value: results.ratio("jose", "Curfew", "ns"),
        control,
        target: { atLeast: 5 },
      },
      {
        name: "time, Curfew ÷ HMAC alone",
        unit: "",
        value: results.ratio("Curfew", "HMAC alone", "ns"),
        control,
      },
    ],
  };
};

/** `login`: password verification behind a mutation, and the latency of other requests meanwhile. */
import { register } from "../../test/helpers/http.ts";
import { startCurfew, startLoad, startServer } from "../harness/environment.ts";
import { quantile } from "../harness/stats.ts";
import { compete, rowsOf, type Workload } from "../harness/workload.ts";
import type { Argon2Orders } from "../servers/argon2.ts";

const mutation = `mutation ($email: String!, $password: String!) {
  login(email: $email, password: $password) { ... on SignedIn { viewer { user { id } } } }
}`;
const password = "correct horse battery staple";
/** A user may have a hundred sessions; more logins of one user would also end sessions. */
const users = 40;

export const login: Workload = async (bench) => {
  const { env, user } = bench.environment;
  const [warmUp, count, others] = bench.quick ? [4, 16, 40] : [8, 80, 250];
  const accounts = await registerUsers();

  const curfew = async () => {
    await using server = await startCurfew(env);
    await using load = await startLoad();
    await using bystander = await startLoad();
    const url = await server.ask("url");
    const logins = {
      url,
      bodies: accounts.map(({ email }) => ({ query: mutation, variables: { email, password } })),
      answers: accounts.map(({ userId }) =>
        JSON.stringify({ data: { login: { viewer: { user: { id: userId } } } } }),
      ),
      connections: 8,
    };
    const requests = {
      url,
      token: user.accessToken,
      bodies: [{ query: "{ viewer { user { id } } }" }],
      answers: [JSON.stringify({ data: { viewer: { user: { id: user.userId } } } })],
      perSecond: 250,
      count: others,
    };
    await load.ask("closedLoop", { ...logins, count: warmUp });
    await bystander.ask("openLoop", { ...requests, count: 100 });
    const atRest = await bystander.ask("openLoop", requests);
    const before = await server.ask("cpu");
    const seconds = await load.ask("closedLoop", { ...logins, count });
    const cpu = (await server.ask("cpu")) - before;
    const [, meanwhile] = await Promise.all([
      load.ask("closedLoop", { ...logins, count }),
      bystander.ask("openLoop", requests),
    ]);
    return {
      "per second": count / seconds,
      "CPU µs": cpu / count,
      "others' p99 ms at rest": quantile(atRest, 0.99),
      "others' p99 ms meanwhile": quantile(meanwhile, 0.99),
    };
  };
  const bare = async () => {
    await using argon2 = await startServer<Argon2Orders>("servers/argon2.ts");
    await argon2.ask("verify", { count: warmUp });
    const before = await argon2.ask("cpu");
    const seconds = await argon2.ask("verify", { count });
    const cpu = (await argon2.ask("cpu")) - before;
    return { "per second": count / seconds, "CPU µs": cpu / count };
  };

  const results = await compete(
    bench,
    [
      { name: "Curfew", round: curfew },
      { name: "argon2id alone", round: bare },
    ],
    { mirrored: false },
  );
  return {
    workload: "login",
    work: `${count} logins on 8 connections; other requests at 250 a second`,
    rows: rowsOf(results),
    figures: [
      {
        name: "logins per second, Curfew ÷ argon2id alone",
        unit: "",
        value: results.ratio("Curfew", "argon2id alone", "per second"),
        control: results.control("Curfew", "per second"),
        target: { atLeast: 0.9 },
      },
      {
        name: "other requests' p99, during logins ÷ at rest",
        unit: "",
        value: results.ratio(
          "Curfew",
          "Curfew",
          "others' p99 ms meanwhile",
          "others' p99 ms at rest",
        ),
        control: results.control("Curfew", "others' p99 ms at rest"),
        target: { atMost: 3 },
      },
    ],
  };

  async function registerUsers() {
    await using server = await startCurfew(env);
    const url = await server.ask("url");
    const emails = Array.from({ length: users }, (_, i) => `login-${i}@example.com`);
    return await Promise.all(
      emails.map(async (email) => ({ email, userId: (await register(url, email)).userId })),
    );
  }
};

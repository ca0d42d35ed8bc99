/** Renewals depend neither on the nodes' clocks nor on how late Redis executes them. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Session } from "../../src/session/session.ts";
import { newFolder, startServer, type Env } from "../helpers/command.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { ask, register, renew, type SignedIn } from "../helpers/http.ts";
import { intercept, memoryUsers } from "../helpers/backends.ts";
import { startRedis } from "../helpers/redis.ts";
import { until } from "../helpers/until.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";

expectNothingUnhandled();

/** Starts two nodes as processes; the second's clock is a minute ahead. */
async function startApart(env: Env = {}) {
  await using opened = new AsyncDisposableStack();
  const redis = opened.use(await startRedis());
  const folder = opened.use(await newFolder());
  const shared = {
    PORT: "0",
    DATA_DIR: folder.path,
    CURFEW_SECRETS: randomBytes(32).toString("base64"),
    REDIS_URL: redis.url,
    LOG_LEVEL: "silent",
    ...env,
  };
  const ahead = {
    NODE_OPTIONS: `--import=${new URL("../faults/clock-skew.ts", import.meta.url).href}`,
    CLOCK_AHEAD: "60000",
  };
  const here = opened.use(await startServer(shared));
  const there = opened.use(await startServer({ ...shared, ...ahead }));
  const all = opened.move();
  return { redis, here, there, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Renews; throws if the token is refused. */
async function pairOf(url: string, token: string): Promise<SignedIn> {
  const pair = await renew(url, token);
  if (typeof pair === "string") throw new Error(pair);
  return pair;
}

it("with clocks a minute apart, concurrent renewals on both nodes return the same pair and are not treated as reuse", async () => {
  await using nodes = await startApart({ RENEWAL_GRACE: "60s" });
  const { here, there } = nodes;
  let { renewalToken } = await register(here.url);
  for (const [one, two] of [
    [here, there],
    [there, here],
  ] as const) {
    const first = await pairOf(one.url, renewalToken);
    expect(await pairOf(two.url, renewalToken)).toEqual(first);
    const many = await Promise.all(
      Array.from({ length: 50 }, (_, i) => pairOf((i % 2 ? one : two).url, first.renewalToken)),
    );
    expect(new Set(many.map((pair) => JSON.stringify(pair))).size).toBe(1);
    ({ renewalToken } = await pairOf(one.url, many[0]?.renewalToken ?? ""));
  }
});

it("with clocks a minute apart, a used renewal token is refused as reuse on either node", async () => {
  const grace = 500;
  await using nodes = await startApart({ RENEWAL_GRACE: `${grace}ms` });
  const { here, there } = nodes;
  for (const [one, two] of [
    [here, there],
    [there, here],
  ] as const) {
    const { renewalToken } = await register(here.url);
    const next = await pairOf(one.url, renewalToken);
    // The grace period runs on Redis's clock, which is this machine's.
    await pause(grace + 100);
    expect(await renew(two.url, renewalToken)).toBe("REUSED");
    expect(await renew(one.url, next.renewalToken)).toBe("ENDED");
  }
});

it("a renewal that Redis executes 12 s late gets a full grace period, and the client's retry returns its pair", async () => {
  await using redis = await startRedis();
  let freezeNext = false;
  // The user is read after the session and before the renewal's write.
  const users = intercept(memoryUsers(), {
    byId: (real) => async (id) => {
      const user = await real(id);
      if (freezeNext) redis.freeze();
      freezeNext = false;
      return user;
    },
  });
  await using curfew = await startCurfew({ redisUrl: redis.url, backends: { users } });
  const { renewalToken, sessionId } = await register(curfew.url);
  const record = async () =>
    JSON.parse(String(await redis.command("GET", `curfew:session:{${sessionId}}`))) as Session;

  freezeNext = true;
  const query = `mutation ($renewalToken: String!) {
    renew(renewalToken: $renewalToken) { ... on SignedIn { tokens { renewalToken } } }
  }`;
  const { errors } = await ask(curfew.url, query, { variables: { renewalToken } });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  await pause(12_000);
  const thawed = Date.now();
  redis.thaw();

  await until(async () => (await record()).generation === 1, "Redis to execute the renewal");
  expect((await record()).graceEndsAt).toBeGreaterThanOrEqual(thawed + 10_000);
  const retry = () => renew(curfew.url, renewalToken).catch(() => undefined);
  let pair = await retry();
  await until(async () => (pair ??= await retry()) !== undefined, "Redis to respond");
  expect(pair).toMatchObject({ sessionId });
  expect((await record()).generation).toBe(1);
});

/** A renewal does not depend on the nodes' clocks, nor on how late Redis carries it out. */
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

/** Two nodes as processes, the second's clock a minute ahead, with the default grace of 10 s or another. */
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

/** A renewal that has to succeed. */
async function pairOf(url: string, token: string): Promise<SignedIn> {
  const pair = await renew(url, token);
  if (typeof pair === "string") throw new Error(pair);
  return pair;
}

it("clocks a minute apart fork no renewal and make no thief, whichever node is asked first", async () => {
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

it("clocks a minute apart hide no thief, whichever node he asks", async () => {
  const grace = 500;
  await using nodes = await startApart({ RENEWAL_GRACE: `${grace}ms` });
  const { here, there } = nodes;
  for (const [one, two] of [
    [here, there],
    [there, here],
  ] as const) {
    const { renewalToken } = await register(here.url);
    const next = await pairOf(one.url, renewalToken);
    // By Redis's clock, which nobody tells of: it is this machine's.
    await pause(grace + 100);
    expect(await renew(two.url, renewalToken)).toBe("REUSED");
    expect(await renew(one.url, next.renewalToken)).toBe("ENDED");
  }
});

it("a renewal that Redis carries out 12 s late has its whole grace then: the client's retry gets its pair", async () => {
  await using redis = await startRedis();
  let freezes = false;
  // It is asked for the user when the session was read, and before the step.
  const users = intercept(memoryUsers(), {
    byId: (real) => async (id) => {
      const user = await real(id);
      if (freezes) redis.freeze();
      freezes = false;
      return user;
    },
  });
  await using curfew = await startCurfew({ redisUrl: redis.url, backends: { users } });
  const { renewalToken, sessionId } = await register(curfew.url);
  const record = async () =>
    JSON.parse(String(await redis.command("GET", `curfew:session:{${sessionId}}`))) as Session;

  freezes = true;
  const query = `mutation ($renewalToken: String!) {
    renew(renewalToken: $renewalToken) { ... on SignedIn { tokens { renewalToken } } }
  }`;
  const { errors } = await ask(curfew.url, query, { variables: { renewalToken } });
  expect(errors?.[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  await pause(12_000);
  const thawed = Date.now();
  redis.thaw();

  await until(async () => (await record()).generation === 1, "Redis to do what it was asked");
  expect((await record()).graceEndsAt).toBeGreaterThanOrEqual(thawed + 10_000);
  const retry = () => renew(curfew.url, renewalToken).catch(() => undefined);
  let pair = await retry();
  await until(async () => (pair ??= await retry()) !== undefined, "Redis to be back");
  expect(pair).toMatchObject({ sessionId });
  expect((await record()).generation).toBe(1);
});

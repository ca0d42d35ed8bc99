/** Rate limits, counted in one process and by many nodes in one Redis. */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { closeClient, type RedisClient } from "../../src/stores/redis/client.ts";
import { LimiterFallback } from "../../src/users/shared-limiter.ts";
import { Throttling, type Limits, type Verdict } from "../../src/users/throttling.ts";
import { commandClient } from "../helpers/adapters.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";

const limits: Limits = {
  maxLoginFailures: 3,
  maxLoginsPerAccount: 20,
  maxFailuresPerAddress: 7,
  maxRegistrationsPerAddress: 2,
  attemptWindow: 900_000,
};
const home = "192.0.2.1";
const elsewhere = "198.51.100.7";

let addresses = 0;
/** An account that no other test uses. */
function newAddress(): string {
  return `203.0.113.${(addresses += 1)}`;
}

/** A part of addresses that no other test uses. */
let block = 1;

function hex(number: number): string {
  return number.toString(16).padStart(2, "0");
}

let redis: RedisServer;
let client: RedisClient;
beforeAll(async () => {
  redis = await startRedis();
  client = await commandClient(redis.url, 200);
});
afterAll(async () => {
  await closeClient(client);
  await redis[Symbol.asyncDispose]();
});
afterEach(() => vi.useRealTimers());

function attempt(verdict: Verdict) {
  return { make: async () => verdict, judge: (result: Verdict) => result };
}

/** The outcomes of concurrent guesses. */
async function guesses(
  throttle: Throttling,
  count: number,
  {
    account,
    address,
    verdict = "failed",
  }: { account?: string; address: string; verdict?: Verdict },
): Promise<string[]> {
  const one = { account, address, ...attempt(verdict) };
  const all = await Promise.all(Array.from({ length: count }, () => throttle.guess(one)));
  return all.map((result) => (typeof result === "string" ? result : result.outcome));
}

function tally(outcomes: readonly string[], outcome: string): number {
  return outcomes.filter((one) => one === outcome).length;
}

describe.each([
  ["in the process", () => undefined],
  ["in Redis", () => client],
])("attempts counted %s", (_where, backend) => {
  const create = (given: Partial<Limits> = {}) =>
    new Throttling({ ...limits, ...given }, backend());

  test("that are concurrent are made only as often as they may fail", async () => {
    const outcomes = await guesses(create(), 50, { account: "ada", address: newAddress() });
    expect(tally(outcomes, "failed")).toBe(limits.maxLoginFailures);
    expect(tally(outcomes, "throttled")).toBe(50 - limits.maxLoginFailures);
  });

  test("on one account from one address do not lock it for other addresses", async () => {
    const throttle = create();
    const account = newAddress();
    await guesses(throttle, 10, { account, address: newAddress() });
    expect(
      await guesses(throttle, 1, { account, address: newAddress(), verdict: "succeeded" }),
    ).toEqual(["succeeded"]);
  });

  test("are reset for the account by a success, but not for the address", async () => {
    const throttle = create();
    const address = newAddress();
    for (let round = 0; round < 3; round += 1) {
      await guesses(throttle, 2, { account: "ada", address });
      await guesses(throttle, 1, { account: "ada", address, verdict: "succeeded" });
    }
    expect(await guesses(throttle, 2, { account: "bob", address })).toEqual([
      "failed",
      "throttled",
    ]);
  });

  test("from one address are limited over all accounts, and without an account", async () => {
    const throttle = create();
    const address = newAddress();
    for (let i = 0; i < 6; i += 1) await guesses(throttle, 1, { account: `user-${i}`, address });
    expect(await guesses(throttle, 2, { address })).toEqual(["failed", "throttled"]);
    expect(await guesses(throttle, 1, { account: "ada", address })).toEqual(["throttled"]);
  });

  test("that were throttled do not count themselves", async () => {
    const throttle = create();
    const address = newAddress();
    await guesses(throttle, 100, { account: "ada", address });
    const others = await guesses(throttle, 4, { account: "bob", address });
    expect(others.toSorted()).toEqual(["failed", "failed", "failed", "throttled"]);
  });

  test("that were not tried or that reject do not count", async () => {
    const throttle = create();
    const address = newAddress();
    const broken = { account: "ada", address, make: () => Promise.reject(new Error("down")) };
    for (let i = 0; i < 10; i += 1) {
      await guesses(throttle, 1, { account: "ada", address, verdict: "untried" });
      await expect(throttle.guess({ ...broken, judge: () => "failed" })).rejects.toThrow("down");
    }
    expect(await guesses(throttle, 1, { account: "ada", address })).toEqual(["failed"]);
  });

  test("are allowed again after retryAfterSeconds, whatever was throttled meanwhile", async () => {
    const throttle = create({ attemptWindow: 4000 });
    const one = { account: "ada", address: newAddress(), ...attempt("failed") };
    for (let i = 0; i < limits.maxLoginFailures; i += 1)
      expect(await throttle.guess(one)).toBe("failed");
    await pause(1000);
    const told = await throttle.guess(one);
    expect(told).toEqual({ outcome: "throttled", retryAfterSeconds: expect.toBeOneOf([1, 2, 3]) });
    await pause(3000);
    expect(await throttle.guess(one)).toBe("failed");
  });

  test("to register are limited whether or not they succeed", async () => {
    const throttle = create();
    const address = newAddress();
    const one = (verdict: Verdict) => throttle.register({ address, ...attempt(verdict) });
    expect(await one("untried")).toBe("untried");
    expect(await one("succeeded")).toBe("succeeded");
    expect(await one("failed")).toBe("failed");
    expect(await one("succeeded")).toEqual({
      outcome: "throttled",
      retryAfterSeconds: limits.attemptWindow / 1000,
    });
  });

  test("to renew are limited separately from the others", async () => {
    const throttle = create();
    const address = newAddress();
    for (let i = 0; i < limits.maxFailuresPerAddress; i += 1)
      expect(await throttle.renewalRefused(address)).toBeUndefined();
    expect(await throttle.renewalRefused(address)).toMatchObject({ outcome: "throttled" });
    expect(await guesses(throttle, 1, { account: "ada", address })).toEqual(["failed"]);
  });

  test("that reach a limit only in flight make others retry after a second, not after a window", async () => {
    const throttle = create();
    const gate = Promise.withResolvers<Verdict>();
    const address = newAddress();
    const judge = (verdict: Verdict) => verdict;
    const held = { account: "ada", address, make: () => gate.promise, judge };
    const first = Array.from({ length: limits.maxLoginFailures }, () => throttle.guess(held));
    const soon = { outcome: "throttled", retryAfterSeconds: 1 };
    for (let i = 0; i < 5; i += 1) expect(await throttle.guess(held)).toEqual(soon);
    gate.resolve("succeeded");
    await Promise.all(first);
    expect(await guesses(throttle, 2, { account: "ada", address })).toEqual(["failed", "failed"]);

    // Two have failed: of three concurrent ones, one is made, and the others may or may not find it in flight.
    const outcomes = await guesses(throttle, 3, { account: "ada", address });
    expect(tally(outcomes, "failed")).toBe(1);
    expect(await throttle.guess({ account: "ada", address, ...attempt("failed") })).toEqual({
      outcome: "throttled",
      retryAfterSeconds: limits.attemptWindow / 1000,
    });
  });

  test("that succeed are limited by account and address, with a separate limit", async () => {
    const throttle = create({ maxLoginsPerAccount: 2 });
    const [account, address] = [newAddress(), newAddress()];
    const right = { account, address, verdict: "succeeded" } as const;
    await guesses(throttle, 2, { account, address, verdict: "failed" });
    await guesses(throttle, 2, { account, address, verdict: "untried" });
    for (let i = 0; i < 2; i += 1) expect(await guesses(throttle, 1, right)).toEqual(["succeeded"]);
    expect(await throttle.guess({ ...right, ...attempt("succeeded") })).toEqual({
      outcome: "throttled",
      retryAfterSeconds: limits.attemptWindow / 1000,
    });
    expect(await guesses(throttle, 1, { ...right, address: newAddress() })).toEqual(["succeeded"]);
    expect(await guesses(throttle, 1, { ...right, account: newAddress() })).toEqual(["succeeded"]);
  });

  test.each([
    ["/56", 4, (i: number) => `2001:db8:${block}:1${hex(i)}::1`, "2001:db8:ffff:200::1"],
    ["/48", 16, (i: number) => `2001:db8:${block}:${hex(i)}00::1`, "2001:db8:fffe::1"],
  ])(
    "from many networks of one IPv6 %s have %i times the limit of one address",
    async (_prefix, share, addressOf, outside) => {
      block += 1;
      const throttle = create();
      const outcomes: string[] = [];
      for (let i = 0; i < share + 4; i += 1) {
        const address = addressOf(i);
        for (let j = 0; j < limits.maxFailuresPerAddress; j += 1)
          outcomes.push(...(await guesses(throttle, 1, { account: `user-${j}`, address })));
      }
      expect(tally(outcomes, "failed")).toBe(share * limits.maxFailuresPerAddress);
      expect(await guesses(throttle, 1, { account: "ada", address: outside })).toEqual(["failed"]);
    },
  );

  test("from neighbouring IPv4 addresses are counted for each address separately", async () => {
    const throttle = create();
    const outcomes: string[] = [];
    for (let i = 0; i < 20; i += 1)
      for (let j = 0; j < limits.maxFailuresPerAddress; j += 1)
        outcomes.push(
          ...(await guesses(throttle, 1, { account: `user-${j}`, address: `10.${block}.0.${i}` })),
        );
    expect(tally(outcomes, "failed")).toBe(20 * limits.maxFailuresPerAddress);
    block += 1;
  });

  test("from one IPv6 network, or from unknown addresses, are counted as one client's", async () => {
    const throttle = create({ maxLoginFailures: 1 });
    const account = newAddress();
    await guesses(throttle, 1, { account, address: "2001:db8::1" });
    expect(await guesses(throttle, 1, { account, address: "2001:db8::2" })).toEqual(["throttled"]);
    expect(await guesses(throttle, 1, { account, address: "2001:db8:0:1::" })).toEqual(["failed"]);
    const nowhere = { account, address: null, ...attempt("failed") };
    expect(await throttle.guess(nowhere)).toBe("failed");
    expect(await throttle.guess(nowhere)).toMatchObject({ outcome: "throttled" });
  });
});

describe("in the process", () => {
  test("retryAfterSeconds is that of the limit that takes longest", async () => {
    vi.useFakeTimers();
    const throttle = new Throttling({ ...limits, maxFailuresPerAddress: 3 });
    await guesses(throttle, 1, { account: "bob", address: home });
    vi.advanceTimersByTime(600_000);
    await guesses(throttle, 2, { account: "ada", address: home });
    // The address is within its limit in 300 seconds, the account after that.
    const full = await throttle.guess({ account: "ada", address: home, ...attempt("failed") });
    expect(full).toEqual({ outcome: "throttled", retryAfterSeconds: 300 });
    const lower = new Throttling({ ...limits, maxFailuresPerAddress: 3, maxLoginFailures: 2 });
    await guesses(lower, 1, { account: "bob", address: home });
    vi.advanceTimersByTime(600_000);
    await guesses(lower, 2, { account: "ada", address: home });
    const both = await lower.guess({ account: "ada", address: home, ...attempt("failed") });
    expect(both).toEqual({ outcome: "throttled", retryAfterSeconds: 900 });
    vi.advanceTimersByTime(900_000);
    expect(await guesses(lower, 1, { account: "ada", address: home })).toEqual(["failed"]);
  });

  test("an attempt that outlasts its window does not raise the limit of the next", async () => {
    vi.useFakeTimers();
    const throttle = new Throttling(limits);
    const gate = Promise.withResolvers<Verdict>();
    const slow = Array.from({ length: limits.maxLoginFailures }, () =>
      throttle.guess({
        account: "ada",
        address: home,
        make: () => gate.promise,
        judge: () => "untried",
      }),
    );
    await vi.advanceTimersByTimeAsync(limits.attemptWindow);
    gate.resolve("untried");
    await Promise.all(slow);
    const outcomes = await guesses(throttle, 50, { account: "ada", address: home });
    expect(tally(outcomes, "failed")).toBe(limits.maxLoginFailures);
  });

  test("after the window nothing is left, and no timer keeps the process alive", async () => {
    vi.useFakeTimers();
    const throttle = new Throttling(limits);
    await guesses(throttle, 10, { account: "ada", address: home });
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    vi.advanceTimersByTime(limits.attemptWindow);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("in Redis", () => {
  test("nodes count together", async () => {
    const [here, there] = [new Throttling(limits, client), new Throttling(limits, client)];
    const one = { account: "ada", address: newAddress() };
    expect(await guesses(here, 2, one)).toEqual(["failed", "failed"]);
    const outcomes = await guesses(there, 2, one);
    expect(outcomes.toSorted()).toEqual(["failed", "throttled"]);
  });

  test("keys do not reveal accounts or addresses, and expire with the window", async () => {
    await redis.flush();
    const throttle = new Throttling(limits, client);
    await guesses(throttle, 1, { account: "ada@example.com", address: elsewhere });
    const keys = (await redis.command("KEYS", "*")) as string[];
    expect(keys.toSorted()).toEqual([
      expect.stringMatching(/^curfew:attempts:account:[\w-]{22}$/),
      expect.stringMatching(/^curfew:attempts:address:[\w-]{22}$/),
      expect.stringMatching(/^curfew:attempts:success:[\w-]{22}$/),
    ]);
    for (const key of keys) expect(await redis.command("TTL", key)).toBeGreaterThan(890);
  });

  test.each(["frozen", "killed"])(
    "while Redis is %s, each node counts for itself: attempts are neither unlimited nor all refused",
    async (how) => {
      await using other = await startRedis();
      const link = await commandClient(other.url, 200);
      const throttle = new Throttling(limits, link);
      await guesses(throttle, 1, { account: "ada", address: home });
      if (how === "frozen") other.freeze();
      else await other.kill();
      const outcomes = await guesses(throttle, 10, { account: "ada", address: home });
      expect(tally(outcomes, "failed")).toBe(limits.maxLoginFailures);
      if (how === "frozen") other.thaw();
      await closeClient(link);
    },
  );
});

test("a fallback to this process is reported at its begin, for each attempt, and when Redis has counted for a while", async () => {
  await using failing = await startRedis();
  const link = await commandClient(failing.url, 200);
  const reports: string[] = [];
  let now = 0;
  const fallback = new LimiterFallback(
    {
      limiterFellBack: () => reports.push("fell back"),
      limiterFallbackBegan: () => reports.push("began"),
      limiterFallbackEnded: () => reports.push("ended"),
    },
    () => now,
  );
  const throttle = new Throttling(limits, link, fallback);
  const guess = () => throttle.register({ address: newAddress(), ...attempt("failed") });
  await guess();
  expect(reports).toEqual([]);
  await failing.command("ACL", "SETUSER", "default", "-incrby");
  await guess();
  await guess();
  expect(reports.filter((report) => report === "fell back").length).toBeGreaterThan(1);
  expect(reports.filter((report) => report === "began")).toHaveLength(1);
  await failing.command("ACL", "SETUSER", "default", "+incrby");
  await guess();
  expect(reports).not.toContain("ended");
  now = 5_000;
  await guess();
  await guess();
  expect(reports.filter((report) => report === "ended")).toHaveLength(1);
  await closeClient(link);
});

/** A store that fails: for some sessions, with unexpected errors, or for longer than the grace period. */
import { pino } from "pino";
import { expect, it } from "vitest";
import { fakeClock, startCurfew } from "../helpers/curfew.ts";
import { register } from "../helpers/http.ts";
import { breakable, intercept, memoryStore } from "../helpers/backends.ts";
import { startRedis } from "../helpers/redis.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";
import { expectNothingUnhandled } from "../helpers/unhandled.ts";
import { until } from "../helpers/until.ts";

expectNothingUnhandled();

const sessionEnded = { code: 4401, reason: "SESSION_ENDED" };
const tryAgainLater = { code: 1013, reason: "TRY_AGAIN_LATER" };
const recheckInterval = 5_000;
const outageGrace = 30_000;

/** A clock that the test advances, and the server's ticks that read it. */
function tickingClock() {
  const clock = fakeClock();
  let clockReads = 0;
  return {
    clock: () => ((clockReads += 1), clock()),
    advance: clock.advance,
    /** While a server is idle, only its timer reads the clock. */
    ticks: (count: number) => {
      const target = clockReads + count;
      return until(() => clockReads >= target, "the server's timer");
    },
  };
}

async function expectOpen(socket: TestSocket) {
  socket.send({ type: "ping" });
  expect(await socket.messages.next()).toEqual({ type: "pong" });
}

it.each(["accessExpiresAt", "idleExpiresAt"])(
  "a record without its %s closes the sockets of its session after the outage grace, and no others",
  async (field) => {
    await using redis = await startRedis();
    const short = { recheckInterval: 100, outageGrace: 1_000 };
    await using curfew = await startCurfew({ redisUrl: redis.url, ...short });
    const damaged = await register(curfew.url);
    const ended = await register(curfew.url);
    const kept = await register(curfew.url);
    await using one = await connect(curfew.socketUrl, damaged.accessToken);
    await using two = await connect(curfew.socketUrl, ended.accessToken);
    await using three = await connect(curfew.socketUrl, kept.accessToken);
    const key = `curfew:session:{${damaged.sessionId}}`;
    const text = String(await redis.command("GET", key));
    await redis.command("SET", key, text.replace(`"${field}"`, '"lost"'), "KEEPTTL");
    // As if another node ended it and the message was lost.
    await redis.command("DEL", `curfew:session:{${ended.sessionId}}`);
    expect(await two.closed).toEqual(sessionEnded);
    // It is unknown whether a session whose record is not understood has ended.
    expect(await one.closed).toEqual(tryAgainLater);
    await expectOpen(three);
  },
);

it("after an outage longer than the grace period, connections that the store accepts again stay open", async () => {
  const { clock, advance, ticks } = tickingClock();
  const store = breakable(memoryStore());
  const parts = { store: store.part };
  await using curfew = await startCurfew({ clock, backends: parts, recheckInterval, outageGrace });
  const { accessToken } = await register(curfew.url);
  await using before = await connect(curfew.socketUrl, accessToken);
  store.goDown();
  advance(recheckInterval);
  await until(() => curfew.log.some(({ err }) => err !== undefined), "a recheck to fail");
  advance(outageGrace);
  expect(await before.closed).toEqual(tryAgainLater);
  store.comeBack();
  await using after = await connect(curfew.socketUrl, accessToken);
  await ticks(3);
  await expectOpen(after);
});

it("a store with unexpected errors counts as unavailable: connections close retryably after the grace period", async () => {
  const { clock, advance, ticks } = tickingClock();
  let broken = false;
  const store = intercept(memoryStore(), {
    readMany: (real) => async (fingerprints, now) => {
      if (broken) throw new TypeError("It cannot read that");
      return real(fingerprints, now);
    },
  });
  await using curfew = await startCurfew({
    clock,
    backends: { store },
    recheckInterval,
    outageGrace,
  });
  const { accessToken } = await register(curfew.url);
  await using socket = await connect(curfew.socketUrl, accessToken);
  broken = true;
  const faults = () => curfew.log.filter(({ err }) => err !== undefined).length;
  for (let time = recheckInterval; time < outageGrace; time += recheckInterval) {
    const known = faults();
    advance(recheckInterval);
    await until(() => faults() > known, "a recheck to fail");
  }
  await ticks(3);
  await expectOpen(socket);
  advance(recheckInterval);
  expect(await socket.closed).toEqual(tryAgainLater);
});

it.each([
  ["deadline", [{ state: "live" }]],
  ["recheck", [{ state: "live" }]],
  ["deadline", undefined],
  ["recheck", undefined],
])(
  "at a %s, a store that returns %j and a logger that throws leave no connection open",
  async (occasion, answer) => {
    const { clock, advance, ticks } = tickingClock();
    const isDeadline = occasion === "deadline";
    let broken = false;
    const store = intercept(memoryStore(), {
      readMany: (real) => async (fingerprints, now) =>
        broken ? (answer as never) : real(fingerprints, now),
    });
    const write = () => {
      if (broken) throw new Error("It cannot write");
    };
    await using curfew = await startCurfew({
      clock,
      backends: { store },
      logger: pino({}, { write }),
      accessTokenTtl: isDeadline ? 60_000 : 3_600_000,
      recheckInterval: isDeadline ? 3_600_000 : recheckInterval,
      outageGrace: isDeadline ? 3_600_000 : outageGrace,
    });
    const { accessToken } = await register(curfew.url);
    await using socket = await connect(curfew.socketUrl, accessToken);
    broken = true;
    if (isDeadline) advance(60_250);
    else for (let i = 0; i < 8; i += 1) await (advance(recheckInterval), ticks(3));
    expect(await socket.closed).toEqual(tryAgainLater);
    broken = false;
  },
);

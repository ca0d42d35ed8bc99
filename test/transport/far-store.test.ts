/** Rechecks of many sessions over a slow link to the store. */
import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { Deadlines } from "../../src/lib/deadlines.ts";
import { KeyRing } from "../../src/session/keys.ts";
import { ConnectionLifecycle } from "../../src/connections/lifecycle.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { RedisSessions } from "../../src/stores/redis/sessions.ts";
import { Connections } from "../../src/connections/connections.ts";
import { newConnection } from "../../src/connections/session-connections.ts";
import { commandClient } from "../helpers/adapters.ts";
import { rethrowReported } from "../helpers/domain.ts";
import { secrets } from "../helpers/curfew.ts";
import { memoryPubSub } from "../helpers/backends.ts";
import { startProxy } from "../helpers/proxy.ts";
import { startRedis } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { everyoneEnabled } from "../helpers/users.ts";

it("1,500 sessions are rechecked within 5 s over a link of 400 ms each way", async () => {
  await using redis = await startRedis();
  await using proxy = await startProxy(redis.port);
  const store = new RedisSessions(await commandClient(`redis://127.0.0.1:${proxy.port}`, 30_000));
  const pubsub = memoryPubSub();
  const hour = 3_600_000;
  const sessions = new Sessions({
    store,
    pubsub,
    ring: new KeyRing(secrets),
    lifetimes: { access: hour, renewal: hour, absolute: hour, grace: 0 },
    userStatus: everyoneEnabled,
    clock: Date.now,
    randomBytes,
    reportError: () => {},
  });
  const connections = new Connections({
    sessions,
    pubsub,
    deadlines: new Deadlines(Date.now(), rethrowReported),
    clock: Date.now,
    uptime: () => performance.now(),
    maxSocketsPerSession: 1,
    reportError: () => {},
  });
  const join = async () => {
    const { tokens, session } = await sessions.start("user", device);
    const reading = sessions.verify(tokens.accessToken);
    if (!reading.ok) throw new Error(reading.reason);
    const lifecycle = new ConnectionLifecycle(rethrowReported);
    await connections.admit({
      claims: reading.claims,
      connection: newConnection(lifecycle, { ipAddress: null }),
      kind: "stream",
    });
    return { lifecycle, fingerprint: session.fingerprint };
  };
  const joined = await Promise.all(Array.from({ length: 1_500 }, join));
  const ended = joined.filter((_, i) => i % 100 === 99);
  for (const { fingerprint } of ended) await store.end(fingerprint, Date.now());

  proxy.delay(400);
  const began = performance.now();
  const elapsed = stopwatch();
  expect(await connections.recheck("all")).toBeUndefined();
  const within = elapsed();

  expect(performance.now() - began).toBeGreaterThan(700);
  expect(within).toBeLessThan(5_000);
  const open = joined.filter(({ lifecycle }) => lifecycle.closeReason === undefined);
  expect(open).toEqual(joined.filter((one) => !ended.includes(one)));
  connections.close();
  await store.close();
});

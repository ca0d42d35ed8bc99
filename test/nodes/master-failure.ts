/** The failure of a Redis master under load, which the tests of Sentinels and of Redis Cluster share. */
import { expect } from "vitest";
import { ask, askData, logout, register, renew, retryWhileUnavailable } from "../helpers/http.ts";
import { allCanRenew, registerMany, startLoad } from "../helpers/load.ts";
import type { Nodes } from "../helpers/nodes.ts";
import type { RedisProcess } from "../helpers/redis-process.ts";
import { connect } from "../helpers/socket.ts";
import { stopwatch } from "../helpers/stopwatch.ts";
import { until } from "../helpers/until.ts";

/** Settings of the nodes (ms). The grace is longer than a failover: clients retry renewals after it. */
export const failureSettings = { recheckInterval: 1000, renewalGrace: 120_000 };

export interface MasterFailure {
  readonly nodes: Nodes;
  /** Number of sessions that stay signed in. */
  readonly sessionCount: number;
  /** Waits for the replicas to be in sync; returns the master to kill, which stores this session. */
  readonly masterInSync: (sessionId: string) => Promise<RedisProcess>;
  /** Resolves when Redis has recovered. */
  readonly recovered?: () => Promise<void>;
}

/** Kills the master under load: no session may end, and no session that has ended may return. */
export async function expectSessionsToSurvive(failure: MasterFailure): Promise<void> {
  const { here, there } = failure.nodes;
  const sessions = await registerMany(here.url, failure.sessionCount);
  const ended = await registerMany(here.url, 3);
  const leaving = await register(here.url);
  for (const { accessToken } of ended) await logout(here.url, accessToken);
  await using staying = await connect(there.socketUrl, sessions[0]?.accessToken ?? "");
  await using socket = await connect(there.socketUrl, leaving.accessToken);
  const master = await failure.masterInSync(leaving.sessionId);

  const load = startLoad([here.url, there.url], sessions);
  await until(() => load.counts.ok > 50, "the load");
  await master.kill();
  const end = async () => {
    const query = "mutation { logout { endedSessions } }";
    const { data, errors } = await ask(here.url, query, { token: leaving.accessToken });
    if (errors !== undefined)
      expect(errors[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    return data?.logout?.endedSessions === 1;
  };
  await until(end, "the logout");
  const elapsed = stopwatch();
  expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  expect(elapsed()).toBeLessThan(failureSettings.recheckInterval + 2000);
  const { ok } = load.counts;
  await until(() => load.counts.ok > ok + 50 || load.unexpected.length > 0, "the load");

  const latest = await load.stop();
  expect(load.unexpected).toEqual([]);
  expect(load.counts.unavailable).toBeGreaterThan(0);
  await failure.recovered?.();
  expect(await allCanRenew(there.url, latest)).toBe(true);
  for (const { accessToken, renewalToken } of [...ended, leaving]) {
    // Retries: with Sentinels, a node reconnects at each Sentinel's report and may have no connection.
    const asked = retryWhileUnavailable(() =>
      askData(there.url, "{ own }", { token: accessToken }),
    );
    await expect(asked).rejects.toMatchObject({ errors: [{ extensions: { reason: "ENDED" } }] });
    expect(await retryWhileUnavailable(() => renew(here.url, renewalToken))).toBe("ENDED");
  }
  staying.send({ type: "ping" });
  await until(() => staying.messages.pending.some(({ type }) => type === "pong"));
}

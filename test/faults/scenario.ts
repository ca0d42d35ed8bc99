/** Runs one scenario: starts nodes and clients, injects the fault, waits for recovery and checks the trace. */
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { newEmail, register } from "../helpers/http.ts";
import { until } from "../helpers/until.ts";
import { check, type Verdict } from "./check.ts";
import { Client } from "./client.ts";
import { startCluster, type Cluster } from "./cluster.ts";
import { recordDelays } from "./delays.ts";
import type { Scenario } from "./guarantees.ts";
import { Random } from "./random.ts";
import { Trace } from "./trace.ts";

export interface ScenarioContext extends Pick<Cluster, "redis" | "nodes" | "admin"> {
  readonly trace: Trace;
  readonly random: Random;
  /** Clients whose sessions end; each has a socket and a stream on every node. */
  readonly victims: readonly Client[];
  /** Clients that stay signed in. */
  readonly others: readonly Client[];
  /** Disposed when the nodes have stopped. */
  readonly opened: AsyncDisposableStack;
}

export interface Run extends Pick<
  Verdict,
  "worst" | "ends" | "closes" | "acceptedWhileForgotten" | "lastAccepted"
> {
  readonly seed: number;
  /** Everything that went wrong, and the path of the trace. */
  readonly faults: readonly string[];
  readonly acceptedAfterEnd: number;
  readonly pastBound: number;
}

const users = 2;
/** How long the victims go on sending requests after their last connection is closed (ms). */
const observationTime = 300;

export async function runScenario(scenario: Scenario, seed: number): Promise<Run> {
  const random = new Random(seed);
  const trace = new Trace();
  const { settings, bounds } = scenario;
  await using opened = new AsyncDisposableStack();
  await using cluster = await startCluster({
    nodes: scenario.nodes ?? [{}, {}],
    env: {
      RECHECK_INTERVAL: `${settings.recheckInterval}ms`,
      OUTAGE_GRACE: `${settings.outageGrace}ms`,
      // All clients share one address.
      MAX_FAILURES_PER_ADDRESS: "1000000",
      MAX_LOGINS_PER_ACCOUNT: "1000000",
      MAX_SOCKETS_PER_ADDRESS: "0",
      ...(settings.accessTokenTtl !== undefined && {
        ACCESS_TOKEN_TTL: `${settings.accessTokenTtl}ms`,
      }),
      RENEWAL_GRACE: `${bounds.grace}ms`,
    },
    ...(scenario.redis && { redis: scenario.redis }),
  });
  const { nodes, redis } = cluster;
  const stopRecording = recordDelays(trace, nodes, cluster.stores);
  // Its timer would keep the process alive if the scenario fails.
  opened.defer(stopRecording);
  const newClient = (email: string, quiet = false) =>
    new Client({ trace, nodes, email, random: random.fork(), quiet });
  const others: Client[] = [];
  const victims: Client[] = [];
  await using clients = new AsyncDisposableStack();
  clients.defer(async () => {
    await Promise.all([...others, ...victims].map((client) => client.stop()));
  });
  for (let user = 0; user < users; user += 1) {
    const email = newEmail();
    await register(nodes[0]?.url ?? "", email);
    others.push(newClient(email), newClient(email));
    victims.push(newClient(email, user === 0));
  }
  await Promise.all(others.map((client) => client.login()));
  for (const client of others) client.start();
  for (const victim of victims) {
    // Retries: on a busy machine an attempt may time out.
    await until(async () => {
      if (victim.session === "") await victim.login();
      return victim.session !== "";
    }, "a victim's session");
    await until(async () => {
      if (victim.openConnections < 2 * nodes.length) await victim.connectEverywhere();
      return victim.openConnections >= 2 * nodes.length;
    }, "the victim's connections");
  }
  // Most scenarios recheck every second: injects the fault at a random point of that interval.
  await pause(random.between(50, 1250));

  const faults: string[] = [];
  for (const victim of victims) victim.start();
  const { admin } = cluster;
  await scenario.run({ trace, random, redis, nodes, admin, victims, others, opened });
  const recoveredAt = trace.now();
  const settle = async (what: string, condition: () => boolean) => {
    await until(condition, what).catch((error: unknown) => faults.push(String(error)));
  };
  await settle("the victims' connections to close", () =>
    victims.every(({ openConnections }) => openConnections === 0),
  );
  await settle("the other clients to be served again", () =>
    others.every(({ lastSuccess }) => lastSuccess > recoveredAt),
  );
  await pause(observationTime);
  await clients.disposeAsync();
  stopRecording();
  faults.push(...(await cluster.stop()));

  const { violations, ...verdict } = check(trace.entries, bounds);
  faults.push(...violations.map(({ rule, at, what }) => `${rule} at ${at.toFixed(1)}: ${what}`));
  const count = (rule: string) => violations.filter((one) => one.rule === rule).length;
  if (faults.length > 0) faults.push(await saveTrace(trace, scenario.name, seed));
  return {
    ...verdict,
    seed,
    faults,
    acceptedAfterEnd: count("ACCEPTED_AFTER_END"),
    pastBound: count("OPEN_PAST_BOUND") + count("OPEN_IN_OUTAGE") + count("DELIVERED_PAST_BOUND"),
  };
}

async function saveTrace(trace: Trace, name: string, seed: number): Promise<string> {
  const file = join(tmpdir(), `curfew-trace-${name.replaceAll(/\W+/g, "-")}-${seed}.jsonl`);
  await writeFile(file, trace.entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  return `seed ${seed}, trace in ${file}`;
}

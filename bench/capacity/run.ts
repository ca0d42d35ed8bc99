/**
 * Tests the capacity model: measures three sites on this machine, compares them with the model's predictions, and
 * prints the inputs that fit the measurements best. `npm run capacity [sockets …]`
 */
import { Redis } from "ioredis";
import { openEnvironment, startCurfew, startLoad } from "../harness/environment.ts";
import { inputs, predict, type Inputs } from "./model.ts";

const asked = process.argv.slice(2).map(Number);
const points = asked.length > 0 ? asked : [2_000, 6_000, 12_000];
const recheckInterval = 5;
const rechecks = 5;
const requests = 5_000;

interface Measured {
  readonly sockets: number;
  readonly empty: number;
  readonly nodeIdle: number;
  readonly node: number;
  readonly redisEmpty: number;
  readonly redisIdle: number;
  readonly redis: number;
  readonly recheckCommands: number;
  readonly recheckCpu: number;
  readonly redisCpu: number;
  readonly requests: number;
}

const measured: Measured[] = [];
for (const sockets of points) measured.push(await measure(sockets));
report(measured);

/** Measures one node and one Redis with that many sockets, each under a session of its own. */
async function measure(sockets: number): Promise<Measured> {
  await using environment = await openEnvironment();
  await using info = await openInfo(environment.redisUrl);
  // Otherwise the node's own rechecks would be counted with those that this program triggers.
  const env = { ...environment.env, RECHECK_INTERVAL: "1h", OUTAGE_GRACE: "1h" };
  await using node = await startCurfew(env, ["--expose-gc"]);
  await using load = await startLoad();
  const url = await node.ask("url");
  const subscribe = () =>
    load.ask("subscribeAll", { query: "subscription { said }", first: '{"said":"ready"}' });

  const warm = (await environment.sessions(200)).map(({ accessToken }) => accessToken);
  for (let i = 0; i < 5; i += 1) {
    await load.ask("connectAll", { url, tokens: warm });
    await subscribe();
    await load.ask("terminateAll");
  }
  const empty = await node.ask("memory");
  const redisEmpty = await info("memory", "used_memory");
  const tokens = (await environment.sessions(sockets)).map(({ accessToken }) => accessToken);
  const redisIdle = await info("memory", "used_memory");
  await load.ask("connectAll", { url, tokens });
  const nodeIdle = await node.ask("memory");
  await subscribe();
  const full = await node.ask("memory");
  const redis = await info("memory", "used_memory");

  await node.ask("recheck");
  const commandsBefore = await info("stats", "total_commands_processed");
  const redisBefore = await info("cpu", "used_cpu_user_main_thread");
  const cpuBefore = await node.ask("cpu");
  for (let i = 0; i < rechecks; i += 1) await node.ask("recheck");
  const cpu = ((await node.ask("cpu")) - cpuBefore) / rechecks;
  const redisSeconds = (await info("cpu", "used_cpu_user_main_thread")) - redisBefore;
  // Three of them are this program's own INFO commands.
  const commands = (await info("stats", "total_commands_processed")) - commandsBefore - 3;

  const { user } = environment;
  const asking = {
    url,
    token: user.accessToken,
    bodies: [{ query: "{ viewer { user { id } } }" }],
    answers: [JSON.stringify({ data: { viewer: { user: { id: user.userId } } } })],
    connections: 32,
  };
  await load.ask("closedLoop", { ...asking, count: 2_000 });
  const cpuBeforeRequests = await node.ask("cpu");
  await load.ask("closedLoop", { ...asking, count: requests });
  const cpuOfRequest = ((await node.ask("cpu")) - cpuBeforeRequests) / requests;
  process.stderr.write(`${sockets} sockets measured\n`);
  const recheckCpu = cpu / (recheckInterval * 1e6);
  return {
    sockets,
    empty,
    nodeIdle,
    node: full,
    redisEmpty,
    redisIdle,
    redis,
    recheckCommands: commands / rechecks / recheckInterval,
    recheckCpu,
    redisCpu: redisSeconds / rechecks / recheckInterval,
    requests: (1 - recheckCpu) * (1e6 / cpuOfRequest),
  };
}

/** Opens a client that reads numbers from Redis's INFO. */
async function openInfo(url: string) {
  const client = new Redis(url);
  const ask = async (section: string, field: string): Promise<number> => {
    const text = await client.info(section);
    return Number(new RegExp(`^${field}:([\\d.]+)`, "m").exec(text)?.[1]);
  };
  return Object.assign(ask, { [Symbol.asyncDispose]: async () => client.disconnect() });
}

function report(sites: readonly Measured[]): void {
  const rows = sites.flatMap((site) => {
    const { sockets } = site;
    const model = predict({ nodes: 1, sockets, sessions: sockets, recheckInterval });
    const row = (what: keyof typeof model, name: string, unit: number, digits = 1) => {
      const [said, found] = [model[what] / unit, site[what] / unit];
      const error = `${(((said - found) / found) * 100).toFixed(0)} %`;
      return [String(sockets), name, said.toFixed(digits), found.toFixed(digits), error];
    };
    return [
      row("nodeIdle", "node, idle, MB", 1e6),
      row("node", "node, subscribed, MB", 1e6),
      row("redisIdle", "Redis, sessions, MB", 1e6, 2),
      row("redis", "Redis, and sockets, MB", 1e6, 2),
      row("recheckCommands", "recheck, commands/s", 1, 0),
      row("recheckCpu", "recheck, % of a core", 0.01, 2),
      row("redisCpu", "recheck, % of Redis", 0.01, 2),
      row("requests", "requests/s of a core", 1, 0),
    ];
  });
  print(["sockets", "what", "model", "measured", "error"], rows);

  const best = fit(sites);
  print(
    ["input", "in the model", "best fit"],
    Object.entries(inputs).map(([name, value]) => [
      name,
      String(value),
      best[name as keyof Inputs].toFixed(value < 100 ? 1 : 0),
    ]),
  );
}

/** The inputs that fit best: slopes of the lines through these points, and the values without connections. */
function fit(sites: readonly Measured[]): Inputs {
  const xs = sites.map(({ sockets }) => sockets);
  const slope = (y: (site: Measured) => number) => {
    const ys = sites.map((site) => y(site));
    const [meanX, meanY] = [mean(xs), mean(ys)];
    const products = xs.map((x, i) => (x - meanX) * ((ys[i] ?? 0) - meanY));
    return sum(products) / sum(xs.map((x) => (x - meanX) ** 2));
  };
  return {
    node: mean(sites.map(({ empty }) => empty)),
    socket: slope((site) => site.nodeIdle - site.empty),
    subscription: slope((site) => site.node - site.nodeIdle),
    redis: mean(sites.map(({ redisEmpty }) => redisEmpty)),
    session: slope((site) => site.redisIdle - site.redisEmpty),
    channel: slope((site) => site.redis - site.redisIdle),
    recheck: slope((site) => site.recheckCpu * recheckInterval * 1e6),
    recheckOfRedis: slope((site) => site.redisCpu * recheckInterval * 1e6),
    request: mean(sites.map((site) => (1e6 * (1 - site.recheckCpu)) / site.requests)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function mean(numbers: readonly number[]): number {
  return sum(numbers) / numbers.length;
}

function print(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)));
  process.stdout.write(`${[head, ...rows].map((row) => line(row).join("  ")).join("\n")}\n\n`);
}

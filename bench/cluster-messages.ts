/**
 * Measures the cost of the messages about ended sessions in a Redis Cluster of 3 and of 6 masters, and calculates it
 * for 20. An end is one script on the key's own master, which deletes the record and publishes no message, one (on the
 * session's topic) or two (also on the channel that all nodes hear).
 * `node bench/cluster-messages.ts [ends in a round, 2000] [rounds, 9]`
 */
import { Redis } from "ioredis";
import { commandClient } from "../test/helpers/adapters.ts";
import { closeClient } from "../src/stores/redis/client.ts";
import { RedisCluster } from "../test/helpers/redis-cluster.ts";
import { redisServer } from "../test/helpers/redis-process.ts";
import { until } from "../test/helpers/until.ts";
import { newSession } from "../src/testing/samples.ts";
import { median } from "./harness/stats.ts";

const [, , endCount = "2000", roundCount = "9"] = process.argv;
const ends = Number(endCount);
const rounds = Number(roundCount);
/** Subscriber connections of Curfew nodes, spread over the masters. */
const links = 10;
const atOnce = 50;
const allNodes = "curfew:ends";
const variants = [0, 1, 2] as const;
const sizes = [3, 6] as const;
const calculated = 20;

/** KEYS[1] the record; ARGV in pairs: a channel and its message */
const script = `
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 2 do redis.call('PUBLISH', ARGV[i], ARGV[i + 1]) end
`;

/** Of one Redis node, for each end. CPU in microseconds. */
interface Cost {
  readonly sent: number;
  readonly received: number;
  readonly cpu: number;
}

await using opened = new AsyncDisposableStack();
const sites = await Promise.all(sizes.map(async (masters) => opened.use(await openSite(masters))));
const costs = new Map(sites.map((site) => [site, variants.map((): Cost[] => [])]));
for (let round = 0; round <= rounds; round += 1)
  for (const site of sites)
    for (let i = 0; i < variants.length; i += 1) {
      const variant = variants[(i + round) % variants.length] ?? 0;
      const cost = await site.end(variant);
      // The first round is the warm-up.
      if (round > 0) costs.get(site)?.[variant]?.push(cost);
    }
report();

async function openSite(masters: number) {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await RedisCluster.start({ masters, replicas: 0 }));
  const client = stack.adopt(await commandClient({ nodes: cluster.endpoints }), closeClient);
  const sessions = Array.from({ length: ends }, () => newSession());
  let heard = 0;
  for (let i = 0; i < links; i += 1) {
    const port = cluster.nodes[i % masters]?.port ?? 0;
    const link = stack.adopt(new Redis(port), (one) => one.disconnect());
    link.on("message", () => (heard += 1));
    const own = sessions.filter((_, index) => index % links === i);
    await link.subscribe(allNodes, ...own.map(({ fingerprint }) => topicOf(fingerprint)));
  }
  const totals = async () => {
    const nodes = cluster.nodes.map(async (node) => {
      const [bus, cpu] = await Promise.all([node.command("CLUSTER", "INFO"), node.info("cpu")]);
      const count = (name: string) =>
        Number(new RegExp(`publish_${name}:(\\d+)`).exec(String(bus))?.[1] ?? 0);
      const seconds = Number(cpu.get("used_cpu_user")) + Number(cpu.get("used_cpu_sys"));
      return [count("sent"), count("received"), seconds * 1e6] as const;
    });
    const sums = [0, 0, 0];
    for (const values of await Promise.all(nodes))
      for (const [i, value] of values.entries()) sums[i] = (sums[i] ?? 0) + value;
    return sums;
  };
  /** Ends all sessions. The average of the nodes. */
  const end = async (messages: (typeof variants)[number]): Promise<Cost> => {
    heard = 0;
    const before = await totals();
    const left = sessions.values();
    const work = async () => {
      for (const session of left) {
        const { fingerprint } = session;
        const ended = { type: "ended", fingerprint, reason: "LOGOUT", at: Date.now() };
        const all = [
          [topicOf(fingerprint), JSON.stringify({ ...ended, session })],
          [allNodes, JSON.stringify(ended)],
        ];
        await client.eval(
          script,
          1,
          `curfew:session:{${fingerprint}}`,
          ...all.slice(0, messages).flat(),
        );
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    const expected = [0, ends, ends + ends * links][messages] ?? 0;
    await until(() => heard >= expected, "the messages");
    const after = await totals();
    const [sent = 0, received = 0, cpu = 0] = after.map(
      (value, i) => (value - (before[i] ?? 0)) / masters / ends,
    );
    return { sent, received, cpu };
  };
  const kept = stack.move();
  return { masters, end, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function topicOf(fingerprint: string): string {
  return `curfew:session:${fingerprint}`;
}

function report(): void {
  const medianOf = (masters: number, variant: number, what: keyof Cost) => {
    const site = sites.find((one) => one.masters === masters);
    const measured = (site && costs.get(site)?.[variant]) ?? [];
    return median(measured.map((cost) => cost[what]));
  };
  const line = (cells: readonly (string | number)[]) =>
    process.stdout.write(`${cells.map((cell) => String(cell).padStart(12)).join("")}\n`);
  process.stdout.write(
    `${redisServer}, ${links} links, ${rounds} rounds of ${ends} ends; medians for each end:\n`,
  );
  line(["masters", "messages", "sent", "received", "µs, node", "µs, cluster"]);
  for (const masters of sizes)
    for (const variant of variants) {
      const [sent, received, cpu] = (["sent", "received", "cpu"] as const).map((what) =>
        medianOf(masters, variant, what),
      );
      line([
        masters,
        variant,
        (sent ?? 0).toFixed(2),
        (received ?? 0).toFixed(2),
        (cpu ?? 0).toFixed(1),
        ((cpu ?? 0) * masters).toFixed(0),
      ]);
    }
  // The messages of one end cost `fixed` on the publishing master and on those with subscribers, and `copy` for each
  // other master. Two sizes determine both.
  const [few, many] = sizes;
  for (const variant of variants.slice(1)) {
    const total = (masters: number) => masters * medianOf(masters, variant, "cpu");
    const copy = (total(many) - total(few)) / (many - few);
    const fixed = total(few) - (few - 1) * copy;
    const cluster = fixed + (calculated - 1) * copy;
    const bus = (variant * (calculated - 1)) / calculated;
    process.stdout.write(`fixed ${fixed.toFixed(1)} µs, copy ${copy.toFixed(1)} µs; calculated:\n`);
    line([
      calculated,
      variant,
      bus.toFixed(2),
      bus.toFixed(2),
      (cluster / calculated).toFixed(1),
      cluster.toFixed(0),
    ]);
  }
}

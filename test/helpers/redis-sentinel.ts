/** Starts a Redis master with two replicas and three Sentinels for one test. */
import { freePorts, RedisProcess } from "./redis-process.ts";
import { until } from "./until.ts";

export const masterName = "the-master";

const config = [
  'save ""',
  "appendonly no",
  "repl-diskless-sync-delay 0",
  "repl-ping-replica-period 1",
];

export class RedisSentinels implements AsyncDisposable {
  readonly servers: readonly RedisProcess[];
  readonly sentinels: readonly RedisProcess[];

  private constructor(servers: readonly RedisProcess[], sentinels: readonly RedisProcess[]) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  static async start(): Promise<RedisSentinels> {
    await using opened = new AsyncDisposableStack();
    const ports = await freePorts(6);
    const [masterPort = 0] = ports;
    const start = async (port: number, lines: readonly string[], mode: "sentinel" | "server") =>
      opened.use(await RedisProcess.start(port, lines, mode));
    const servers = await Promise.all(
      ports
        .slice(0, 3)
        .map((port, i) =>
          start(
            port,
            i === 0 ? config : [...config, `replicaof 127.0.0.1 ${masterPort}`],
            "server",
          ),
        ),
    );
    const sentinels = await Promise.all(
      ports
        .slice(3)
        .map((port) =>
          start(
            port,
            [
              `sentinel monitor ${masterName} 127.0.0.1 ${masterPort} 2`,
              `sentinel down-after-milliseconds ${masterName} 1000`,
              `sentinel failover-timeout ${masterName} 4000`,
            ],
            "sentinel",
          ),
        ),
    );
    const all = new RedisSentinels(servers, sentinels);
    await all.untilHealthy();
    opened.move();
    return all;
  }

  /** The Sentinels' addresses as in the settings: `host:port`. */
  get endpoints(): string[] {
    return this.sentinels.map(({ endpoint }) => endpoint);
  }

  /** The current master, as the first Sentinel reports it. */
  async master(): Promise<RedisProcess> {
    const [sentinel] = this.sentinels;
    const reply = await sentinel?.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName);
    const port = Array.isArray(reply) ? Number(reply[1]) : NaN;
    const master = this.servers.find((server) => server.port === port);
    if (master === undefined) throw new Error("No known master");
    return master;
  }

  async replicas(): Promise<RedisProcess[]> {
    const master = await this.master();
    return this.servers.filter((server) => server !== master);
  }

  /** Requests a failover. A Sentinel refuses it while it does not know yet that a replica is in sync. */
  async beginFailover(): Promise<void> {
    const isAccepted = async () =>
      this.sentinels[0]?.command("SENTINEL", "FAILOVER", masterName).then(
        () => true,
        () => false,
      );
    await until(async () => (await isAccepted()) === true, "a Sentinel to begin the failover");
  }

  /** Resolves when all Sentinels report a master other than `old`. */
  async untilFailedOver(old: RedisProcess): Promise<RedisProcess> {
    const isOver = async () => {
      const replies = this.sentinels.map((sentinel) =>
        sentinel.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", masterName),
      );
      return (await Promise.all(replies)).every(
        (reply) => Array.isArray(reply) && Number(reply[1]) !== old.port,
      );
    };
    await until(isOver, "the failover");
    return this.master();
  }

  /** Resolves when the Sentinels know each other and both replicas are connected to the master. */
  async untilHealthy(): Promise<void> {
    const knowsAll = async (sentinel: RedisProcess) => {
      const info = (await sentinel.info("sentinel")).get("master0") ?? "";
      return /status=ok,.*slaves=2,sentinels=3/.test(info);
    };
    const isAttached = async (replica: RedisProcess) =>
      (await replica.info("replication")).get("master_link_status") === "up";
    const allKnown = async () =>
      (await Promise.all(this.sentinels.map(knowsAll))).every(Boolean) &&
      (await Promise.all((await this.replicas()).map(isAttached))).every(Boolean);
    // A Sentinel closes all connections to a server that it turns into a replica: a command may fail.
    const isHealthy = () => allKnown().catch(() => false);
    await until(isHealthy, "the Sentinels to know each other and the replicas");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.sentinels, ...this.servers].map((each) => each[Symbol.asyncDispose]()),
    );
  }
}

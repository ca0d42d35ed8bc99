/** Starts Redis processes on free ports, each with its own folder. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { eventTimeout } from "./timeouts.ts";
import { until } from "./until.ts";
import { dieWithTests } from "./watchdog.ts";

/** The program of all Redis servers and Sentinels: `REDIS_SERVER` or, by default, the Redis on the PATH. */
export const redisServer = process.env["REDIS_SERVER"] || "redis-server";

type Mode = "server" | "sentinel";

const configFile = "redis.conf";

/** A Redis process: a cluster node, a master, a replica or a Sentinel. */
export class RedisProcess implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #mode: Mode;
  #child: ChildProcess;

  private constructor(port: number, folder: string, mode: Mode, child: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#mode = mode;
    this.#child = child;
  }

  /** @param config all settings except port, address and folder */
  static async start(port: number, config: readonly string[], mode: Mode = "server") {
    const folder = await mkdtemp(join(tmpdir(), "curfew-redis-"));
    const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, ...config];
    await writeFile(join(folder, configFile), lines.join("\n"));
    return new RedisProcess(port, folder, mode, await launch(folder, mode));
  }

  /** Restarts with the same configuration file, which Redis may have rewritten. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = await launch(this.#folder, this.#mode);
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Id of the current process; `restart` starts another. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  /** Sends one command on a new connection. */
  async command(name: string, ...args: (string | number)[]): Promise<unknown> {
    const client = new Redis(this.port, {
      maxRetriesPerRequest: 0,
      commandTimeout: eventTimeout / 3,
    });
    client.on("error", () => {});
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  }

  /** The fields of a section of INFO. */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    const lines = String(await this.command("INFO", section)).split("\r\n");
    return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]));
  }

  /** Resolves when this replica has all that the master has now. */
  async untilInSyncWith(master: RedisProcess): Promise<void> {
    const offset = Number((await master.info("replication")).get("master_repl_offset"));
    const isInSync = async () =>
      Number((await this.info("replication")).get("slave_repl_offset")) >= offset;
    await until(isInSync, "the replica");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function launch(folder: string, mode: Mode): Promise<ChildProcess> {
  const args = [join(folder, configFile), ...(mode === "sentinel" ? ["--sentinel"] : [])];
  const child = spawn(redisServer, args, { stdio: ["ignore", "pipe", "ignore"] });
  await once(child, "spawn");
  dieWithTests(child);
  const started = mode === "sentinel" ? "Sentinel ID is" : "Ready to accept connections";
  const output: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    output.push(line);
    if (!line.includes(started)) continue;
    child.stdout.resume();
    return child;
  }
  throw new Error(`${redisServer} did not start:\n${output.join("\n")}`);
}

/**
 * Below the ephemeral ports, which the system also gives to outgoing connections: such a port may be taken right
 * after it was found free. Cluster nodes also listen on their port + 10,000.
 */
const [firstPort, portCount] = [12_000, 10_000];
/** Concurrent test processes start their search at different ports. */
let lastPort = (process.pid * 199) % portCount;

/** Returns free ports; a port is reused only after all others of the range. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    lastPort = (lastPort + 1) % portCount;
    const port = firstPort + lastPort;
    if ((await isFree(port)) && (await isFree(port + portCount))) ports.push(port);
  }
  return ports;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  const isListening = await once(server, "listening").then(
    () => true,
    () => false,
  );
  if (isListening) {
    server.close();
    await once(server, "close");
  }
  return isListening;
}

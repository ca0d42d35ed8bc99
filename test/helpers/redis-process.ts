/** Redis processes for the tests, on free ports and with a folder of their own. */
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

type Mode = "server" | "sentinel";

const configFile = "redis.conf";

/** One of many: a node of a cluster, a master, a replica or a Sentinel. */
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

  /** @param config says all but port, address and folder */
  static async start(port: number, config: readonly string[], mode: Mode = "server") {
    const folder = await mkdtemp(join(tmpdir(), "curfew-redis-"));
    const lines = [`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, ...config];
    await writeFile(join(folder, configFile), lines.join("\n"));
    return new RedisProcess(port, folder, mode, await launch(folder, mode));
  }

  /** With the settings that it was started with, or has written itself since. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = await launch(this.#folder, this.#mode);
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Of the process that runs now: `restart` starts another. */
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

  /** One command, on a connection of its own. */
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

  /** What INFO says, by name. */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    const lines = String(await this.command("INFO", section)).split("\r\n");
    return new Map(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]));
  }

  /** Until the replica has what its master has now. */
  async untilInSyncWith(master: RedisProcess): Promise<void> {
    const offset = Number((await master.info("replication")).get("master_repl_offset"));
    const isAbreast = async () =>
      Number((await this.info("replication")).get("slave_repl_offset")) >= offset;
    await until(isAbreast, "the replica");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

async function launch(folder: string, mode: Mode): Promise<ChildProcess> {
  const args = [join(folder, configFile), ...(mode === "sentinel" ? ["--sentinel"] : [])];
  const child = spawn("redis-server", args, { stdio: ["ignore", "pipe", "ignore"] });
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
  throw new Error(`redis-server did not start:\n${output.join("\n")}`);
}

/**
 * Below those that the system itself gives away, to links too: one of them may be taken a moment after
 * it was found free. A cluster's nodes also listen 10,000 higher.
 */
const [firstPort, portCount] = [12_000, 10_000];
/** Processes that look for ports at the same time begin in different places. */
let lastPort = (process.pid * 199) % portCount;

/** Each is given to one caller, and to another one only after all the others were. */
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

/** Starts a Redis server for one test, which the test can freeze, kill and query. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { redisServer } from "./redis-process.ts";
import { dieWithTests } from "./watchdog.ts";

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The current process; `restart` starts another. */
  readonly process: ChildProcess;
  /** Stops the process: Redis accepts connections and answers nothing, as if its host had failed. */
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
  /** Restarts on the same port and with the same folder. */
  restart(): Promise<void>;
  flush(): Promise<void>;
  /** Sends one command on a new connection. */
  command(name: string, ...args: (string | number)[]): Promise<unknown>;
}

/** Persists nothing unless the arguments enable it. */
export async function startRedis(extraArgs: readonly string[] = []): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "curfew-redis-"));
  let { child, port } = await launchAnywhere(folder, extraArgs);

  const command = async (name: string, ...args: (string | number)[]): Promise<unknown> => {
    const client = new Redis(port, { maxRetriesPerRequest: 0 });
    client.on("error", () => {});
    try {
      return await client.call(name, ...args);
    } finally {
      client.disconnect();
    }
  };

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    get process() {
      return child;
    },
    freeze: () => void child.kill("SIGSTOP"),
    thaw: () => void child.kill("SIGCONT"),
    kill: () => kill(child),
    async restart() {
      await kill(child);
      child = await launch(port, folder, extraArgs);
    },
    async flush() {
      await command("FLUSHALL");
    },
    command,
    async [Symbol.asyncDispose]() {
      await kill(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The channels with subscribers, without those of the nodes themselves: the probes of the links, and the ends. */
export async function channelsOf(redis: RedisServer): Promise<string[]> {
  const channels = (await redis.command("PUBSUB", "CHANNELS", "curfew:*")) as string[];
  return channels.filter((channel) => !/^curfew:(?:probe:|ends$|ends:)/.test(channel));
}

/** Retries with another port: Redis cannot choose a free port itself, and a free port may be taken meanwhile. */
async function launchAnywhere(folder: string, extraArgs: readonly string[], attempts = 5) {
  const port = await freePort();
  try {
    return { child: await launch(port, folder, extraArgs), port };
  } catch (error) {
    if (attempts === 1) throw error;
    return launchAnywhere(folder, extraArgs, attempts - 1);
  }
}

async function launch(
  port: number,
  folder: string,
  extraArgs: readonly string[],
): Promise<ChildProcess> {
  const address = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
  const child = spawn(redisServer, [...address, "--save", "", "--appendonly", "no", ...extraArgs], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(child, "spawn");
  dieWithTests(child);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line.includes("Ready to accept connections")) {
      child.stdout.resume();
      return child;
    }
  }
  throw new Error(`${redisServer} did not start:\n${lines.join("\n")}`);
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("No port");
  return address.port;
}

/** Starts a PostgreSQL server for one test, which the test can kill, restart and query. */
import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Client } from "pg";
import { freePorts } from "./redis-process.ts";
import { dieWithTests } from "./watchdog.ts";

const password = "the password of this test's PostgreSQL";

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #child: ChildProcess;
  #databases = 0;

  private constructor(port: number, folder: string, child: ChildProcess) {
    this.port = port;
    this.#folder = folder;
    this.#child = child;
  }

  /** The data is not synced to disk and is removed on disposal. */
  static async start(): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), "curfew-postgres-"));
    const [port = 0] = await freePorts(1);
    if (owner) await chown(folder, owner.uid, owner.gid);
    const passwordFile = join(folder, "password");
    await writeFile(passwordFile, password, { mode: 0o644 });
    const location = ["--pgdata", join(folder, "data"), "--no-sync", "--encoding", "UTF8"];
    const access = ["--username", "curfew", "--pwfile", passwordFile, "--auth", "scram-sha-256"];
    await promisify(execFile)(program("initdb"), [...location, "--locale", "C", ...access], {
      ...owner,
    });
    return new PostgresServer(port, folder, await launch(port, folder));
  }

  /** The URL of a database. */
  urlOf(database: string, secret = password): string {
    const url = new URL(`postgres://curfew@127.0.0.1:${this.port}/${database}`);
    url.password = secret;
    return url.href;
  }

  /** Creates a database and returns its URL. */
  async newDatabase(): Promise<string> {
    const name = `test_${(this.#databases += 1)}`;
    await this.query(this.urlOf("postgres"), `CREATE DATABASE ${name}`);
    return this.urlOf(name);
  }

  /** Runs one statement on a new connection. */
  async query(url: string, sql: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const client = new Client(url);
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  /** Stops the server immediately and drops all connections, in-flight work included. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGQUIT");
    await exited;
  }

  /** Restarts on the same port with the same data. */
  async restart(): Promise<void> {
    await this.kill();
    this.#child = await launch(this.port, this.#folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** PostgreSQL refuses to run as root; its Debian package creates a user for it. */
const owner = process.getuid?.() === 0 ? { uid: idOf("-u"), gid: idOf("-g") } : undefined;

function idOf(flag: string): number {
  return Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
}

/** Debian installs each version's programs in a separate folder; the newest version wins. */
function program(name: string): string {
  const version = (path: string) => Number(/\d+/.exec(path)?.[0]);
  const folders = globSync(`/usr/lib/postgresql/*/bin/${name}`);
  return folders.toSorted((one, other) => version(other) - version(one))[0] ?? name;
}

async function launch(port: number, folder: string): Promise<ChildProcess> {
  const args = ["-D", join(folder, "data"), "-p", String(port), "-h", "127.0.0.1"];
  const settings = ["unix_socket_directories=", "fsync=off"].flatMap((each) => ["-c", each]);
  const child = spawn(program("postgres"), [...args, ...settings], {
    ...owner,
    stdio: ["ignore", "ignore", "pipe"],
  });
  await once(child, "spawn");
  dieWithTests(child);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    lines.push(line);
    if (!line.includes("ready to accept connections")) continue;
    child.stderr.resume();
    return child;
  }
  throw new Error(`postgres did not start:\n${lines.join("\n")}`);
}

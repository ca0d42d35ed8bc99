/** Curfew's commands, each as a process of its own, with no settings but those that a test gives it. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noSecretIn } from "./secrecy.ts";
import { dieWithTests } from "./watchdog.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

export type Env = Readonly<Record<string, string>>;

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs one to its end, in the folder of the sources unless it is said where. */
export async function runCommand(
  args: readonly string[],
  env: Env,
  input = "",
  cwd?: string,
): Promise<Outcome> {
  const command = new Command(args, env, cwd);
  // It may have ended without reading.
  command.child.stdin.on("error", () => {}).end(input);
  return command.ended;
}

/** A server that was started and has said where it is. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly socketUrl: string;
  readonly port: string;
  readonly pid: number;
  /** What it printed for people. */
  readonly startupReport: string;
  /** Resolves when it is gone. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<Outcome>;
}

export async function startServer(
  env: Env,
  args: readonly string[] = [],
  cwd?: string,
): Promise<ServerProcess> {
  const command = new Command(args, { DRAIN_TIME: "400ms", ...env }, cwd);
  const greeting = await command.printed(/Curfew serves GraphQL at /);
  const url = /http:\S+/.exec(greeting)?.[0] ?? "";
  const stop = (signal: NodeJS.Signals) => {
    command.child.kill(signal);
    return command.ended;
  };
  return {
    url,
    socketUrl: url.replace("http", "ws"),
    port: new URL(url).port,
    pid: command.child.pid ?? 0,
    startupReport: greeting,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop("SIGKILL")),
  };
}

/** A folder that is gone after the test. */
export async function newFolder() {
  const path = await mkdtemp(join(tmpdir(), "curfew-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A program that is run as it stands. */
export class Command {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Outcome>;
  #output = "";
  #errors = "";

  constructor(args: readonly string[], env: Env, cwd?: string, file = main) {
    const { PATH = "" } = process.env;
    this.child = spawn(process.execPath, [file, ...args], {
      env: { PATH, ...env },
      ...(cwd !== undefined && { cwd }),
    });
    dieWithTests(this.child);
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#errors += text));
    this.ended = once(this.child, "close").then(([code]: (number | null)[]) => {
      const [output, errors] = [this.#output, this.#errors];
      noSecretIn("the output of a process", output + errors);
      return { code: code ?? null, output, errors };
    });
  }

  /** What it has written so far. */
  get output(): string {
    return this.#output;
  }

  /** What it has printed for people, once that is in it. */
  async printed(pattern: RegExp): Promise<string> {
    const gone = this.ended.then(({ output, errors }) => {
      throw new Error(`It ended:\n${output}${errors}`);
    });
    while (!pattern.test(this.#errors)) await Promise.race([once(this.child.stderr, "data"), gone]);
    gone.catch(() => {});
    return this.#errors;
  }
}

/** Runs Curfew's commands as processes; their environment holds only what the test passes. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { recordLeaks } from "./secrecy.ts";
import { dieWithTests } from "./watchdog.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

export type Env = Readonly<Record<string, string>>;

export interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs a command until it exits, in the current working directory unless `cwd` is given. */
export async function runCommand(
  args: readonly string[],
  env: Env,
  input = "",
  cwd?: string,
): Promise<Outcome> {
  const command = new Command(args, env, cwd);
  // The process may exit before it reads its input: EPIPE.
  command.child.stdin.on("error", () => {}).end(input);
  return command.ended;
}

/** A running server that has printed its URL. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly socketUrl: string;
  readonly port: string;
  readonly pid: number;
  /** Standard error at the time when the server printed its URL. */
  readonly startupReport: string;
  /** Resolves when the process has exited. */
  stop(signal: "SIGTERM" | "SIGKILL"): Promise<Outcome>;
}

/** @param file the entry point. Default: that of this version */
export async function startServer(
  env: Env,
  args: readonly string[] = [],
  cwd?: string,
  file?: string,
): Promise<ServerProcess> {
  const command = new Command(args, { DRAIN_TIME: "400ms", ...env }, cwd, file);
  const startupReport = await command.printed(/Curfew serves GraphQL at /);
  const url = /http:\S+/.exec(startupReport)?.[0] ?? "";
  const stop = (signal: NodeJS.Signals) => {
    command.child.kill(signal);
    return command.ended;
  };
  return {
    url,
    socketUrl: url.replace("http", "ws"),
    port: new URL(url).port,
    pid: command.child.pid ?? 0,
    startupReport,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop("SIGKILL")),
  };
}

/** A temporary folder that is removed on disposal. */
export async function newFolder() {
  const path = await mkdtemp(join(tmpdir(), "curfew-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A Node program in a child process; on exit its output is checked for secrets. */
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
      recordLeaks("the output of a process", output + errors);
      return { code: code ?? null, output, errors };
    });
  }

  /** Standard output so far. */
  get output(): string {
    return this.#output;
  }

  /** Waits until standard error matches the pattern and returns it. */
  async printed(pattern: RegExp): Promise<string> {
    const exited = this.ended.then(({ output, errors }) => {
      throw new Error(`The process exited:\n${output}${errors}`);
    });
    while (!pattern.test(this.#errors))
      await Promise.race([once(this.child.stderr, "data"), exited]);
    exited.catch(() => {});
    return this.#errors;
  }
}

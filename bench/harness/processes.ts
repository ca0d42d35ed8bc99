/** Starts a fresh process for a measurement, sends it orders over IPC, and kills it. */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Orders, Reply } from "./orders.ts";

export type Env = Readonly<Record<string, string>>;

/** A compile cache: without it, starting hundreds of processes takes most of the time. It does not change their work. */
const compiled = await mkdtemp(join(tmpdir(), "curfew-bench-compiled-"));
process.once("exit", () => rmSync(compiled, { recursive: true, force: true }));

export interface ActorOptions {
  readonly env?: Env;
  /** Flags for Node. */
  readonly flags?: readonly string[];
}

/** How long an order may take (ms). */
const orderTimeout = 60_000;

export class Actor<T extends Orders> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ready = Promise.withResolvers<unknown>();
  #last = 0;

  private constructor(file: string, { env = {}, flags = [] }: ActorOptions) {
    const { PATH = "" } = process.env;
    this.#pending.set(0, this.#ready);
    this.#child = fork(fileURLToPath(new URL(`../${file}`, import.meta.url)), {
      execArgv: [...flags],
      // As in production.
      env: { PATH, NODE_ENV: "production", NODE_COMPILE_CACHE: compiled, ...env },
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
    });
    this.#child.on("message", (reply: Reply) => this.#take(reply));
    this.#child.once("exit", (code, signal) => {
      for (const { reject } of this.#pending.values())
        reject(new Error(`${file} is gone: ${signal ?? code}`));
      this.#pending.clear();
    });
  }

  /**
   * Resolves when the process is ready for orders.
   *
   * @param file path under bench/
   */
  static async start<T extends Orders>(
    file: string,
    options: ActorOptions = {},
  ): Promise<Actor<T>> {
    const actor = new Actor<T>(file, options);
    await actor.#ready.promise;
    return actor;
  }

  async ask<K extends keyof T & string>(
    order: K,
    ...[argument]: Parameters<T[K]>
  ): Promise<Awaited<ReturnType<T[K]>>> {
    const id = (this.#last += 1);
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(id, answer);
    this.#child.send({ id, order, argument });
    const expire = () =>
      answer.reject(new Error(`"${order}" took longer than ${orderTimeout} ms.`));
    const timer = setTimeout(expire, orderTimeout);
    answer.promise.finally(() => clearTimeout(timer)).catch(() => {});
    return (await answer.promise) as Awaited<ReturnType<T[K]>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #take(reply: Reply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ("error" in reply) pending?.reject(new Error(reply.error));
    else pending?.resolve(reply.answer);
  }
}

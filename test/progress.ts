/** Vitest's default reporter with progress: the number of finished files, and which are running. */
import { DefaultReporter } from "vitest/node";

type Run = Parameters<DefaultReporter["onTestRunStart"]>[0];
type Module = Parameters<DefaultReporter["onTestModuleEnd"]>[0];

/** Interval of progress lines in a log without a terminal (ms). */
const heartbeat = 60_000;

export default class Progress extends DefaultReporter {
  #files = 0;
  #done = 0;
  #began = 0;
  readonly #running = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  /** Printed before the next line, the first of a finished file. */
  #prefix = "";

  override onTestRunStart(files: Run): void {
    this.#files = files.length;
    this.#began = performance.now();
    super.onTestRunStart(files);
    // A terminal always shows the progress.
    if (!this.isTTY) this.#timer = setInterval(() => this.#printProgress(), heartbeat).unref();
  }

  override onTestModuleQueued(file: Module): void {
    this.#running.add(file.relativeModuleId);
    super.onTestModuleQueued(file);
  }

  override onTestModuleEnd(file: Module): void {
    this.#done += 1;
    this.#running.delete(file.relativeModuleId);
    this.#prefix = ` ${String(this.#done).padStart(String(this.#files).length)}/${this.#files}`;
    super.onTestModuleEnd(file);
    this.#prefix = "";
  }

  override onTestRunEnd(...args: Parameters<DefaultReporter["onTestRunEnd"]>): void {
    clearInterval(this.#timer);
    super.onTestRunEnd(...args);
  }

  override log(...messages: unknown[]): void {
    const [first, ...others] = messages;
    if (this.#prefix === "" || typeof first !== "string") return super.log(...messages);
    super.log(this.#prefix + first, ...others);
    this.#prefix = "";
  }

  #printProgress(): void {
    const minutes = Math.round((performance.now() - this.#began) / 60_000);
    const running = [...this.#running].join(", ");
    super.log(` ${this.#done}/${this.#files} files after ${minutes} min; running: ${running}`);
  }
}

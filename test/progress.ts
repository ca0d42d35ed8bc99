/** Vitest's own report, which also says how far the run is: the files done, of how many, and those under way. */
import { DefaultReporter } from "vitest/node";

type Run = Parameters<DefaultReporter["onTestRunStart"]>[0];
type Module = Parameters<DefaultReporter["onTestModuleEnd"]>[0];

/** How often a log without a terminal says that the run goes on (ms). */
const heartbeat = 60_000;

export default class Progress extends DefaultReporter {
  #files = 0;
  #done = 0;
  #began = 0;
  readonly #running = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  /** Stands before the next line, which is the first of a file that is done. */
  #place = "";

  override onTestRunStart(files: Run): void {
    this.#files = files.length;
    this.#began = performance.now();
    super.onTestRunStart(files);
    // A terminal shows it all the time.
    if (!this.isTTY) this.#timer = setInterval(() => this.#tell(), heartbeat).unref();
  }

  override onTestModuleQueued(file: Module): void {
    this.#running.add(file.relativeModuleId);
    super.onTestModuleQueued(file);
  }

  override onTestModuleEnd(file: Module): void {
    this.#done += 1;
    this.#running.delete(file.relativeModuleId);
    this.#place = ` ${String(this.#done).padStart(String(this.#files).length)}/${this.#files}`;
    super.onTestModuleEnd(file);
    this.#place = "";
  }

  override onTestRunEnd(...args: Parameters<DefaultReporter["onTestRunEnd"]>): void {
    clearInterval(this.#timer);
    super.onTestRunEnd(...args);
  }

  override log(...messages: unknown[]): void {
    const [first, ...others] = messages;
    if (this.#place === "" || typeof first !== "string") return super.log(...messages);
    super.log(this.#place + first, ...others);
    this.#place = "";
  }

  #tell(): void {
    const minutes = Math.round((performance.now() - this.#began) / 60_000);
    const running = [...this.#running].join(", ");
    super.log(` ${this.#done}/${this.#files} files after ${minutes} min; running: ${running}`);
  }
}

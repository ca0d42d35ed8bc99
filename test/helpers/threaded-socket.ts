/** A WebSocket in a worker thread, which answers pings while the test's thread is blocked. */
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { WebSocket } from "ws";
import { until } from "./until.ts";

interface Task {
  readonly url: string;
  readonly shared: Int32Array<SharedArrayBuffer>;
}

/** Indexes in the shared array: number of pongs, whether pongs are held (0) or sent (1), ws's readyState. */
const [pongs, sending, state] = [0, 1, 2];

if (!isMainThread && isTask(workerData)) {
  const { url, shared } = workerData;
  const ws = new WebSocket(url, "graphql-transport-ws", { autoPong: false });
  const storeState = () => void Atomics.store(shared, state, ws.readyState);
  ws.on("open", storeState);
  ws.on("ping", (data) => {
    Atomics.wait(shared, sending, 0);
    ws.pong(data);
    Atomics.add(shared, pongs, 1);
    Atomics.notify(shared, pongs);
  });
  ws.on("close", storeState);
}

function isTask(data: unknown): data is Task {
  return typeof data === "object" && data !== null && "shared" in data;
}

export class ThreadedSocket implements AsyncDisposable {
  readonly #shared = new Int32Array(new SharedArrayBuffer(12));
  readonly #worker: Worker;

  constructor(url: string) {
    this.#shared[sending] = 1;
    const task: Task = { url, shared: this.#shared };
    this.#worker = new Worker(new URL(import.meta.url), { workerData: task });
  }

  async opened(): Promise<this> {
    await until(() => this.isOpen, "the other thread's socket");
    return this;
  }

  get isOpen(): boolean {
    return Atomics.load(this.#shared, state) === WebSocket.OPEN;
  }

  /** Number of answered pings. */
  get pongCount(): number {
    return Atomics.load(this.#shared, pongs);
  }

  /** Sends no more pongs until `releasePongsAndBlock`. */
  holdPongs(): void {
    Atomics.store(this.#shared, sending, 0);
  }

  /** Blocks the calling thread until a held ping is answered, and then for this long (ms). */
  releasePongsAndBlock(milliseconds: number): void {
    const before = this.pongCount;
    Atomics.store(this.#shared, sending, 1);
    Atomics.notify(this.#shared, sending);
    Atomics.wait(this.#shared, pongs, before);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

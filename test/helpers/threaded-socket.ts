/** A socket with a thread of its own, which answers pings while the test's thread stands still. */
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { WebSocket } from "ws";
import { until } from "./until.ts";

interface Task {
  readonly url: string;
  readonly shared: Int32Array<SharedArrayBuffer>;
}

/** In what is shared: how many pings were answered, whether they are held back (0) or not (1), and ws's state. */
const [pongs, flow, state] = [0, 1, 2];

if (!isMainThread && isTask(workerData)) {
  const { url, shared } = workerData;
  const ws = new WebSocket(url, "graphql-transport-ws", { autoPong: false });
  const note = () => void Atomics.store(shared, state, ws.readyState);
  ws.on("open", note);
  ws.on("ping", (data) => {
    Atomics.wait(shared, flow, 0);
    ws.pong(data);
    Atomics.add(shared, pongs, 1);
    Atomics.notify(shared, pongs);
  });
  ws.on("close", note);
}

function isTask(data: unknown): data is Task {
  return typeof data === "object" && data !== null && "shared" in data;
}

export class ThreadedSocket implements AsyncDisposable {
  readonly #shared = new Int32Array(new SharedArrayBuffer(12));
  readonly #worker: Worker;

  constructor(url: string) {
    this.#shared[flow] = 1;
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

  /** How many pings it has answered. */
  get pongCount(): number {
    return Atomics.load(this.#shared, pongs);
  }

  /** Answers nothing more until `answerBehindOurBack`. */
  holdPongs(): void {
    Atomics.store(this.#shared, flow, 0);
  }

  /** Blocks this thread until a ping that was held is answered, and then for so many milliseconds. */
  releasePongsAndBlock(milliseconds: number): void {
    const before = this.pongCount;
    Atomics.store(this.#shared, flow, 1);
    Atomics.notify(this.#shared, flow);
    Atomics.wait(this.#shared, pongs, before);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

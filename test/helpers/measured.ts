/** Starts a server in a child process and measures it; an early exit fails the test. */
import { fork } from "node:child_process";
import { once } from "node:events";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import type { Measure, Order, Started } from "./measured-server.ts";
import { Queue } from "./queue.ts";
import { until } from "./until.ts";
import { dieWithTests } from "./watchdog.ts";

export type MeasuredServer = Awaited<ReturnType<typeof startMeasuredServer>>;

/** @param options must be serializable as JSON */
export async function startMeasuredServer(options: CurfewOptions = {}) {
  const child = fork(new URL("measured-server.ts", import.meta.url), [JSON.stringify(options)], {
    execArgv: ["--expose-gc"],
  });
  dieWithTests(child);
  const answers = new Queue<unknown>();
  child.on("message", (answer) => answers.push(answer));
  const exited = once(child, "exit").then(([code, signal]: unknown[]) => {
    throw new Error(`The server exited: ${String(code ?? signal)}`);
  });
  exited.catch(() => {});
  const answer = () => Promise.race([answers.next(), exited]);
  const url = (await answer()) as string;
  const send = async (order: Order) => {
    child.send(order);
    return answer();
  };
  return {
    url,
    socketUrl: url.replace("http", "ws"),
    async start(count: number, userId?: string): Promise<Started[]> {
      return (await send({
        do: "start",
        count,
        ...(userId !== undefined && { userId }),
      })) as Started[];
    },
    async end(sessions: readonly Started[]): Promise<number[]> {
      const fingerprints = sessions.map(({ fingerprint }) => fingerprint);
      return (await send({ do: "end", fingerprints })) as number[];
    },
    /** CPU time of the server during the work (ms). */
    async cost(work: () => Promise<unknown>): Promise<number> {
      const before = (await send({ do: "cpu" })) as number;
      await work();
      return ((await send({ do: "cpu" })) as number) - before;
    },
    /** Measures at once. */
    async measureNow(): Promise<Measure> {
      return (await send({ do: "measure" })) as Measure;
    },
    /** Measures when the last connections are closed. */
    async measureIdle(): Promise<Measure> {
      let found: Measure | undefined;
      const loggedErrors: unknown[] = [];
      await until(async () => {
        found = (await send({ do: "measure" })) as Measure;
        loggedErrors.push(...found.loggedErrors);
        return found.connections === 0 && found.resources["TCPSocketWrap"] === undefined;
      }, "the last connections to close");
      if (found === undefined) throw new Error("Nothing was measured");
      return { ...found, loggedErrors };
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

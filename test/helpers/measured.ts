/** Starts a server in a process of its own, whose end is a failure, and asks it what it holds. */
import { fork } from "node:child_process";
import { once } from "node:events";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import type { Measure, Order, Started } from "./measured-server.ts";
import { Queue } from "./queue.ts";
import { until } from "./until.ts";
import { dieWithTests } from "./watchdog.ts";

export type MeasuredServer = Awaited<ReturnType<typeof startMeasuredServer>>;

/** @param options those that can be written as JSON */
export async function startMeasuredServer(options: CurfewOptions = {}) {
  const child = fork(new URL("measured-server.ts", import.meta.url), [JSON.stringify(options)], {
    execArgv: ["--expose-gc"],
  });
  dieWithTests(child);
  const answers = new Queue<unknown>();
  child.on("message", (answer) => answers.push(answer));
  const gone = once(child, "exit").then(([code, signal]: unknown[]) => {
    throw new Error(`The server is gone: ${String(code ?? signal)}`);
  });
  gone.catch(() => {});
  const answer = () => Promise.race([answers.next(), gone]);
  const url = (await answer()) as string;
  const tell = async (order: Order) => {
    child.send(order);
    return answer();
  };
  return {
    url,
    socketUrl: url.replace("http", "ws"),
    async start(count: number, userId?: string): Promise<Started[]> {
      return (await tell({
        do: "start",
        count,
        ...(userId !== undefined && { userId }),
      })) as Started[];
    },
    async end(sessions: readonly Started[]): Promise<number[]> {
      const fingerprints = sessions.map(({ fingerprint }) => fingerprint);
      return (await tell({ do: "end", fingerprints })) as number[];
    },
    /** Milliseconds of CPU time that it takes meanwhile. */
    async cost(work: () => Promise<unknown>): Promise<number> {
      const before = (await tell({ do: "cpu" })) as number;
      await work();
      return ((await tell({ do: "cpu" })) as number) - before;
    },
    /** At this moment. */
    async measureNow(): Promise<Measure> {
      return (await tell({ do: "measure" })) as Measure;
    },
    /** Once the last connections are gone. */
    async measureIdle(): Promise<Measure> {
      let found: Measure | undefined;
      const loggedErrors: unknown[] = [];
      await until(async () => {
        found = (await tell({ do: "measure" })) as Measure;
        loggedErrors.push(...found.loggedErrors);
        return found.connections === 0 && found.resources["TCPSocketWrap"] === undefined;
      }, "the last connections to be gone");
      if (found === undefined) throw new Error("Nothing was measured");
      return { ...found, loggedErrors };
    },
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

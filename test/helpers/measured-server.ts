/** A server in a process of its own, which starts and ends sessions as it is told, and says what it holds. */
import { setTimeout as pause } from "node:timers/promises";
import { counted, memoryTopics } from "./parts.ts";
import { startCurfew } from "./curfew.ts";
import { device } from "./sessions.ts";

export type Order =
  | { readonly do: "start"; readonly count: number }
  | { readonly do: "end"; readonly fingerprints: readonly string[] }
  | { readonly do: "measure" };

export interface Started {
  readonly token: string;
  readonly fingerprint: string;
}

export interface Measure {
  readonly connections: number;
  readonly sessions: number;
  readonly subscriptions: number;
  /** What keeps the process busy, by its kind: timers, sockets. */
  readonly resources: Readonly<Record<string, number>>;
  /** Bytes. */
  readonly heap: number;
}

const topics = counted(memoryTopics());
const curfew = await startCurfew({ parts: { topics: topics.part }, maxSocketsPerSession: 10 });

async function follow(order: Order): Promise<unknown> {
  switch (order.do) {
    case "start": {
      const start = () => curfew.sessions.start(crypto.randomUUID(), device);
      const issued = await Promise.all(Array.from({ length: order.count }, start));
      return issued.map(({ session: { fingerprint }, tokens }): Started => ({
        token: tokens.accessToken,
        fingerprint,
      }));
    }
    case "end":
      return Promise.all(order.fingerprints.map((one) => curfew.sessions.end(one, "LOGOUT")));
    case "measure":
      return measure();
  }
}

async function measure(): Promise<Measure> {
  // What was logged is the test's, and no leak.
  (curfew.log as unknown[]).length = 0;
  for (let i = 0; i < 3; i += 1) {
    globalThis.gc?.();
    await pause(100);
  }
  const { connections } = curfew;
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  return {
    connections: connections.size,
    sessions: connections.fingerprints.length,
    subscriptions: topics.subscriptions,
    resources,
    heap: process.memoryUsage().heapUsed,
  };
}

process.on("message", (order: Order) => {
  void follow(order).then((answer) => process.send?.(answer));
});
process.send?.(curfew.socketUrl);

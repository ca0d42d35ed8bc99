/** A server in a child process: starts and ends sessions on command and reports its resources. */
import { setTimeout as pause } from "node:timers/promises";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { testApp } from "./app.ts";
import { countSubscriptions, memoryPubSub } from "./backends.ts";
import { startCurfew } from "./curfew.ts";
import { device } from "./sessions.ts";

export type Order =
  | { readonly do: "start"; readonly count: number; readonly userId?: string }
  | { readonly do: "end"; readonly fingerprints: readonly string[] }
  | { readonly do: "measure" }
  /** CPU time of the process so far (ms). */
  | { readonly do: "cpu" };

export interface Started {
  readonly token: string;
  readonly renewalToken: string;
  readonly fingerprint: string;
}

export interface Measure {
  readonly connections: number;
  readonly sessions: number;
  readonly subscriptions: number;
  /** Active resources by kind: timers, sockets. */
  readonly resources: Readonly<Record<string, number>>;
  /** Errors logged since the last measurement. */
  readonly loggedErrors: readonly unknown[];
  /** Used heap (bytes). */
  readonly heap: number;
}

const pubsub = countSubscriptions(memoryPubSub());
const options = JSON.parse(process.argv[2] ?? "{}") as CurfewOptions;
const curfew = await startCurfew({
  ...testApp().schema,
  ...options,
  backends: { pubsub: pubsub.part },
});

async function follow(order: Order): Promise<unknown> {
  switch (order.do) {
    case "start": {
      const start = () => curfew.sessions.start(order.userId ?? crypto.randomUUID(), device);
      const issued = await Promise.all(Array.from({ length: order.count }, start));
      return issued.map(({ session: { fingerprint }, tokens }): Started => ({
        token: tokens.accessToken,
        renewalToken: tokens.renewalToken,
        fingerprint,
      }));
    }
    case "end":
      return Promise.all(order.fingerprints.map((one) => curfew.sessions.end(one, "LOGOUT")));
    case "measure":
      return measure();
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1_000;
    }
  }
}

async function measure(): Promise<Measure> {
  const loggedErrors = curfew.log.filter(
    ({ err, level }) => err !== undefined || Number(level) >= 50,
  );
  // Otherwise the recorded log would look like a leak.
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
    subscriptions: pubsub.subscriptions,
    resources,
    loggedErrors,
    heap: process.memoryUsage().heapUsed,
  };
}

process.on("message", (order: Order) => {
  void follow(order).then((answer) => process.send?.(answer));
});
process.send?.(curfew.url);

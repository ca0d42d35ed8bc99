/** After very many sockets came and went a server holds what it held before. */
import { fork } from "node:child_process";
import { on } from "node:events";
import { expect, it } from "vitest";
import type { Measure, Order, Started } from "../helpers/measured-server.ts";
import { TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { dieWithTests } from "../helpers/watchdog.ts";

const sockets = 20_000;
const sessionsPerWave = 100;
const socketsPerSession = 4;
const waves = sockets / sessionsPerWave / socketsPerSession;
/** What a heap may have grown by that leaks nothing: 100 bytes a socket would be twice as much. */
const margin = 1024 * 1024;

async function startMeasured() {
  const child = fork(new URL("../helpers/measured-server.ts", import.meta.url), {
    execArgv: ["--expose-gc"],
  });
  dieWithTests(child);
  const answers = on(child, "message");
  const answer = async () => {
    const next = await answers.next();
    return (next.value as unknown[])[0];
  };
  const url = (await answer()) as string;
  const tell = async (order: Order) => {
    child.send(order);
    return answer();
  };
  return { url, tell, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

type Measured = Awaited<ReturnType<typeof startMeasured>>;

/** Sockets come, half of them subscribe, some of them leave, and with the sessions all of them go. */
async function wave({ url, tell }: Measured) {
  const started = (await tell({ do: "start", count: sessionsPerWave })) as Started[];
  const open = async (token: string, i: number) => {
    const socket = await new TestSocket(url).opened();
    socket.init({ token });
    await socket.messages.next();
    if (i % 2 === 1) socket.subscribe("1", "subscription { sessionEvents { type } }");
    if (i === 1) socket.ws.close();
    if (i === 2) socket.ws.terminate();
    return socket;
  };
  const opened = await Promise.all(
    started.flatMap(({ token }) =>
      Array.from({ length: socketsPerSession }, (_, i) => open(token, i)),
    ),
  );
  const ended = await tell({
    do: "end",
    fingerprints: started.map(({ fingerprint }) => fingerprint),
  });
  expect(ended).toEqual(started.map(() => 1));
  await Promise.all(opened.map(({ closed }) => closed));
}

async function measure({ tell }: Measured): Promise<Measure> {
  let found: Measure | undefined;
  await until(async () => {
    found = (await tell({ do: "measure" })) as Measure;
    return found.connections === 0 && found.resources["TCPSocketWrap"] === undefined;
  }, "the last sockets to be gone");
  if (found === undefined) throw new Error("Nothing was measured");
  return found;
}

it("20,000 sockets and 5,000 sessions leave nothing behind", { timeout: 120_000 }, async () => {
  using server = await startMeasured();
  for (let i = 0; i < 5; i += 1) await wave(server);
  const { heap: heapBefore, ...before } = await measure(server);
  for (let i = 0; i < waves; i += 1) await wave(server);
  const { heap: heapAfter, ...after } = await measure(server);

  expect(after).toEqual(before);
  expect(after).toMatchObject({ connections: 0, sessions: 0, subscriptions: 0 });
  expect(heapAfter - heapBefore).toBeLessThan(margin);
});

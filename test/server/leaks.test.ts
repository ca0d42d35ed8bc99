/** The heap of a server after many sockets and sessions have opened and closed. */
import { expect, it } from "vitest";
import { startMeasuredServer, type MeasuredServer } from "../helpers/measured.ts";
import { TestSocket } from "../helpers/socket.ts";

const sockets = 20_000;
const sessionsPerWave = 100;
const socketsPerSession = 4;
const waves = sockets / sessionsPerWave / socketsPerSession;
/** The growth that a heap without leaks may have (bytes). A leak of 100 bytes per socket would be twice as much. */
const margin = 1024 * 1024;

/** Opens sockets, half of which subscribe. Some disconnect; the end of their sessions closes the others. */
async function wave(server: MeasuredServer) {
  const { socketUrl } = server;
  const started = await server.start(sessionsPerWave);
  const open = async (token: string, i: number) => {
    const socket = await new TestSocket(socketUrl).opened();
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
  expect(await server.end(started)).toEqual(started.map(() => 1));
  await Promise.all(opened.map(({ closed }) => closed));
}

it("20,000 sockets and 5,000 sessions leak nothing", { timeout: 1_000_000 }, async () => {
  // The memory of recent ends grows up to its limit.
  using server = await startMeasuredServer({ maxSocketsPerSession: 10, rememberEnds: 0 });
  for (let i = 0; i < 5; i += 1) await wave(server);
  const { heap: heapBefore, ...before } = await server.measureIdle();
  for (let i = 0; i < waves; i += 1) await wave(server);
  const { heap: heapAfter, ...after } = await server.measureIdle();

  expect(after).toEqual(before);
  expect(after).toMatchObject({ connections: 0, sessions: 0, subscriptions: 0 });
  expect(heapAfter - heapBefore).toBeLessThan(margin);
});

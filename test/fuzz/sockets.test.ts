/** Whatever is sent on a socket, it is answered well or closed with a reason, and the server lives on. */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { RawSocket } from "../helpers/raw-socket.ts";
import { withLoot, type Loot } from "./documents.ts";
import { encode, script, type Frame, type Script } from "./frames.ts";
import { fuzzedServer } from "./server.ts";

/** How a server may close, by WebSocket's rules, graphql-ws's and Curfew's; 4500 and 1011 are faults. */
const codes = new Set([1002, 1003, 1007, 1009, 1013, 4400, 4401, 4403, 4409, 4429]);
const types = new Set(["connection_ack", "ping", "pong", "next", "error", "complete"]);

function expectWellFormed(frame: string): void {
  expect(frame).not.toMatch(/INTERNAL_SERVER_ERROR|node_modules|\.[jt]s:\d|TypeError|RangeError/);
  const { type } = JSON.parse(frame) as { type: string };
  expect(types).toContain(type);
}

/** Plays the script as far as the server lets it; resolves to how many frames were sent. */
async function play(socketUrl: string, { init, steps }: Script, loot: Loot): Promise<number> {
  await using socket = await RawSocket.open(socketUrl);
  let closing: string | undefined;
  const send = (frames: readonly Frame[]) => {
    for (const frame of frames) {
      const { payload } = frame;
      const bytes = typeof payload === "string" ? Buffer.from(withLoot(payload, loot)) : payload;
      socket.tcp.write(encode(frame, bytes));
    }
    return frames.length;
  };
  const say = (message: string) => send([{ head: 0x81, payload: message, masked: true }]);
  const answered = async (isIt: (message: { type: string; id?: string }) => boolean) => {
    while (closing === undefined && !socket.tcp.closed) {
      const frame = await Promise.race([socket.frames.next(), socket.disconnected]);
      if (frame === undefined) return;
      if (frame.startsWith("close")) closing = frame;
      else {
        expectWellFormed(frame);
        if (isIt(JSON.parse(frame))) return;
      }
    }
  };

  let sent = 0;
  if (init !== undefined) {
    sent += say(`{"type":"connection_init","payload":${init}}`);
    await answered(({ type }) => type === "connection_ack");
  }
  for (const [i, step] of steps.entries()) {
    if (closing !== undefined || socket.tcp.closed) break;
    sent += send(step);
    // Now and then the server's answers are waited for.
    if (i % 10 !== 9) continue;
    sent += say(`{"id":"answer ${i}","type":"subscribe","payload":{"query":"{ hello }"}}`);
    await answered(({ id }) => id === `answer ${i}`);
  }
  if (closing !== undefined) {
    const code = Number(/^close (\d+)/.exec(closing)?.[1] ?? 0);
    expect([1011, 4500]).not.toContain(code);
    // Whoever closes is answered with his own code, or with none.
    const own = steps.flat().some(({ head }) => (head & 0xf) === 8);
    expect(own || codes.has(code), closing).toBe(true);
  }
  return sent;
}

it("25,000 frames are answered well or close their socket", { timeout: 1_000_000 }, async () => {
  await using fuzzed = await fuzzedServer();
  let sent = 0;
  const scripts = fc.array(script, { minLength: 10, maxLength: 10 });
  const property = fc.asyncProperty(scripts, async (all) => {
    const { socketUrl, loot } = await fuzzed.next();
    const counts = await Promise.all(all.map((one) => play(socketUrl, one, loot)));
    for (const count of counts) sent += count;
  });
  await fc.assert(property, { numRuns: 130, endOnFailure: true });
  expect(sent).toBeGreaterThan(25_000);
  await fuzzed.expectNothingLeft();
});

/** Fuzzes the server over WebSockets: every reply is well-formed or closes the socket with a reason. */
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { RawSocket } from "../helpers/raw-socket.ts";
import { withCredentials, type Credentials } from "./documents.ts";
import { encodeFrame, script, type Frame, type Script } from "./frames.ts";
import { startFuzzedServer } from "./server.ts";

/** The close codes that RFC 6455, graphql-ws and Curfew allow; 4500 and 1011 are faults. */
const codes = new Set([1002, 1003, 1007, 1009, 1013, 4400, 4401, 4403, 4409, 4429]);
const types = new Set(["connection_ack", "ping", "pong", "next", "error", "complete"]);

function expectWellFormed(frame: string): void {
  expect(frame).not.toMatch(/INTERNAL_SERVER_ERROR|node_modules|\.[jt]s:\d|TypeError|RangeError/);
  const { type } = JSON.parse(frame) as { type: string };
  expect(types).toContain(type);
}

/** Sends the script until the server closes the socket; returns the number of sent frames. */
async function runScript(
  socketUrl: string,
  { init, steps }: Script,
  loot: Credentials,
): Promise<number> {
  await using socket = await RawSocket.open(socketUrl);
  let closing: string | undefined;
  const send = (frames: readonly Frame[]) => {
    for (const frame of frames) {
      const { payload } = frame;
      const bytes =
        typeof payload === "string" ? Buffer.from(withCredentials(payload, loot)) : payload;
      socket.tcp.write(encodeFrame(frame, bytes));
    }
    return frames.length;
  };
  const sendText = (message: string) => send([{ head: 0x81, payload: message, masked: true }]);
  const untilReply = async (isLast: (message: { type: string; id?: string }) => boolean) => {
    while (closing === undefined && !socket.tcp.closed) {
      const frame = await Promise.race([socket.frames.next(), socket.disconnected]);
      if (frame === undefined) return;
      if (frame.startsWith("close")) closing = frame;
      else {
        expectWellFormed(frame);
        if (isLast(JSON.parse(frame))) return;
      }
    }
  };

  let sent = 0;
  if (init !== undefined) {
    sent += sendText(`{"type":"connection_init","payload":${init}}`);
    await untilReply(({ type }) => type === "connection_ack");
  }
  for (const [i, step] of steps.entries()) {
    if (closing !== undefined || socket.tcp.closed) break;
    sent += send(step);
    // After every tenth step, waits for the server's replies.
    if (i % 10 !== 9) continue;
    sent += sendText(`{"id":"answer ${i}","type":"subscribe","payload":{"query":"{ hello }"}}`);
    await untilReply(({ id }) => id === `answer ${i}`);
  }
  if (closing !== undefined) {
    const code = Number(/^close (\d+)/.exec(closing)?.[1] ?? 0);
    expect([1011, 4500]).not.toContain(code);
    // The server echoes a client's close code, or sends none.
    const clientCloses = steps.flat().some(({ head }) => (head & 0xf) === 8);
    expect(clientCloses || codes.has(code), closing).toBe(true);
  }
  return sent;
}

it(
  "25,000 generated frames receive well-formed replies or close their socket",
  { timeout: 1_000_000 },
  async () => {
    await using fuzzed = await startFuzzedServer();
    let sent = 0;
    const scripts = fc.array(script, { minLength: 10, maxLength: 10 });
    const property = fc.asyncProperty(scripts, async (all) => {
      const { socketUrl, loot } = await fuzzed.next();
      const counts = await Promise.all(all.map((one) => runScript(socketUrl, one, loot)));
      for (const count of counts) sent += count;
    });
    await fc.assert(property, { numRuns: 130, endOnFailure: true });
    expect(sent).toBeGreaterThan(25_000);
    await fuzzed.expectNothingLeft();
  },
);

/** A client that does not read: short messages that wait for it count for what they take, not for their length. */
import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { MemoryLedger } from "../../src/connections/memory-ledger.ts";
import { CloseHandshakes } from "../../src/websocket/close-handshakes.ts";
import { OpenSocket, type ManagedWebSocket } from "../../src/websocket/socket.ts";
import { ConnectionLimiter } from "../../src/connections/connection-limiter.ts";
import { device } from "../helpers/sessions.ts";

/** A connection whose client reads nothing until `read`. */
class UnreadConnection extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  readonly #written: (() => void)[] = [];

  send(data: string, onWritten: () => void): void {
    this.bufferedAmount += data.length;
    this.#written.push(onWritten);
  }

  read(): void {
    this.bufferedAmount = 0;
    for (const onWritten of this.#written.splice(0)) onWritten();
  }

  terminate(): void {
    this.readyState = 3;
  }
}

function open(ledger: MemoryLedger) {
  const connection = new UnreadConnection();
  const places = new ConnectionLimiter({ each: Infinity });
  const socket = new OpenSocket(connection as unknown as ManagedWebSocket, "id", device, {
    noteRefusal: () => {},
    reportError: () => {},
    places,
    strangers: places,
    initTimeout: 1_000,
    closeHandshakes: new CloseHandshakes(),
    ledger,
    presentToken: () => Promise.resolve(undefined),
    onClosed: () => {},
  });
  return { connection, socket };
}

const mebibyte = 1024 * 1024;

it("a client that reads none of its pongs is cut after some thousands of them", () => {
  const { connection, socket } = open(new MemoryLedger({ perSession: 8 * mebibyte }));
  let pongs = 0;
  for (; connection.readyState === connection.OPEN && pongs < 100_000; pongs += 1)
    void socket.onPing();
  // Each takes some kilobyte.
  expect(pongs).toBeGreaterThan(4_000);
  expect(pongs).toBeLessThan(16_000);
});

it("what short messages take while they wait is counted, and given back when they are read", () => {
  const ledger = new MemoryLedger({ perSession: 8 * mebibyte });
  const { connection, socket } = open(ledger);
  for (let i = 0; i < 1_000; i += 1) void socket.onPing();
  expect(ledger.size).toBeGreaterThan(mebibyte / 2);
  connection.read();
  expect(ledger.size).toBe(0);
  expect(connection.readyState).toBe(connection.OPEN);
});

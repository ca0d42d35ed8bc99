/** A WebSocket client on plain TCP, which unlike any library answers neither close frames nor pings. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Queue } from "./queue.ts";

const text = 0x1;

export class RawSocket implements AsyncDisposable {
  readonly tcp: Socket;
  /** Text frames, and `close 4401 REASON` for close frames. */
  readonly frames = new Queue<string>();
  /** Resolves when the TCP connection is closed. */
  readonly disconnected: Promise<void>;
  #received = Buffer.alloc(0);

  constructor(tcp: Socket) {
    this.tcp = tcp;
    this.disconnected = new Promise((resolve) => tcp.once("close", () => resolve()));
    tcp.on("error", () => {});
  }

  static async open(socketUrl: string): Promise<RawSocket> {
    const { hostname, port, pathname, host } = new URL(socketUrl);
    const socket = new RawSocket(connect(Number(port), hostname));
    await once(socket.tcp, "connect");
    const key = randomBytes(16).toString("base64");
    socket.tcp.write(
      `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n` +
        `Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
    );
    const [head] = (await once(socket.tcp, "data")) as [Buffer];
    if (!head.includes(" 101 ")) throw new Error(`No upgrade: ${head.toString()}`);
    socket.tcp.on("data", (data: Buffer) => socket.#receive(data));
    return socket;
  }

  send(message: unknown): void {
    const payload = Buffer.from(JSON.stringify(message));
    const long = payload.length > 125;
    const header = Buffer.alloc(long ? 8 : 6);
    header[0] = 0x80 | text;
    header[1] = 0x80 | (long ? 126 : payload.length);
    if (long) header.writeUInt16BE(payload.length, 2);
    // The mask is zero, which leaves the payload unchanged.
    this.tcp.write(Buffer.concat([header, payload]));
  }

  #receive(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    while (this.#received.length >= 2) {
      const short = (this.#received[1] ?? 0) & 0x7f;
      const start = short === 127 ? 10 : short === 126 ? 4 : 2;
      if (this.#received.length < start) return;
      const end = start + this.#lengthOf(short);
      if (this.#received.length < end) return;
      this.#take((this.#received[0] ?? 0) & 0xf, this.#received.subarray(start, end));
      this.#received = this.#received.subarray(end);
    }
  }

  #lengthOf(short: number): number {
    if (short === 127) return Number(this.#received.readBigUInt64BE(2));
    return short === 126 ? this.#received.readUInt16BE(2) : short;
  }

  #take(opcode: number, payload: Buffer): void {
    if (opcode === text) this.frames.push(payload.toString());
    if (opcode !== 0x8) return;
    const code = payload.length < 2 ? "" : payload.readUInt16BE(0);
    this.frames.push(`close ${code} ${payload.subarray(2).toString()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tcp.destroy();
    await this.disconnected;
  }
}

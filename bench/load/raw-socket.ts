/** A minimal graphql-transport-ws client, so that ten thousand of them load only the server. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { machineTime } from "../harness/clock.ts";
import { targetOf } from "./target.ts";

const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

/** A frame with a zero mask: clients must mask their frames (RFC 6455 §5.3), and this mask changes nothing. */
function frame(opcode: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length > 0xffff) throw new Error("The message is too long for this client.");
  const head =
    length < 126
      ? Buffer.from([0x80 | opcode, 0x80 | length])
      : Buffer.from([0x80 | opcode, 0x80 | 126, length >> 8, length & 0xff]);
  return Buffer.concat([head, Buffer.alloc(4), payload]);
}

export function textFrame(message: unknown): Buffer {
  return frame(opcodes.text, Buffer.from(JSON.stringify(message)));
}

export interface Closed {
  /** 1006 if there was no close frame, as in browsers. */
  readonly code: number;
  /** By `machineTime`. */
  readonly at: number;
}

export class RawSocket {
  readonly closed: Promise<Closed>;
  readonly #socket: Socket;
  readonly #closed = Promise.withResolvers<Closed>();
  #received: Buffer = Buffer.of();
  #next: ((text: string) => void) | undefined;
  /** Bytes received, frames included. */
  bytes = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = this.#closed.promise;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.once("close", () => this.#end(1006));
  }

  /** Resolves when the server has acknowledged `connection_init` with this token. */
  static async open(url: string, token: string): Promise<RawSocket> {
    const { host, port, path } = targetOf(url);
    const socket = connect(port, host);
    await once(socket, "connect");
    const raw = new RawSocket(socket);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n",
    );
    const [head] = (await once(socket, "data")) as [Buffer];
    if (!head.toString("latin1").startsWith("HTTP/1.1 101 ")) throw new Error(head.toString());
    socket.on("data", (chunk: Buffer) => raw.#take(chunk));
    const ack = raw.message();
    raw.send(textFrame({ type: "connection_init", payload: { token } }));
    const message = await Promise.race([ack, raw.closed]);
    if (typeof message !== "string" || !message.includes('"connection_ack"'))
      throw new Error(`Not acknowledged: ${JSON.stringify(message)}`);
    return raw;
  }

  /** Resolves to the next message. Call it before the message arrives. */
  async message(): Promise<string> {
    return new Promise((resolve) => {
      this.#next = (text) => {
        this.#next = undefined;
        resolve(text);
      };
    });
  }

  /** Receives all messages, instead of `message`. */
  onMessage(take: (text: string) => void): void {
    this.#next = take;
  }

  send(data: Buffer): void {
    this.#socket.write(data);
  }

  /** Resets the connection, so that its port does not stay in TIME_WAIT. */
  terminate(): void {
    this.#socket.resetAndDestroy();
  }

  #take(chunk: Buffer): void {
    this.bytes += chunk.length;
    let data = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    for (;;) {
      const short = (data[1] ?? 0) & 0x7f;
      const start = short === 126 ? 4 : 2;
      if (data.length < start) break;
      const end = start + (short === 126 ? data.readUInt16BE(2) : short);
      if (data.length < end) break;
      this.#read((data[0] ?? 0) & 0x0f, data.subarray(start, end));
      data = data.subarray(end);
    }
    this.#received = data.length === 0 ? data : Buffer.from(data);
  }

  #read(opcode: number, payload: Buffer): void {
    if (opcode === opcodes.text) this.#next?.(payload.toString());
    else if (opcode === opcodes.ping) this.send(frame(opcodes.pong, payload));
    else if (opcode === opcodes.close) {
      this.#end(payload.length >= 2 ? payload.readUInt16BE(0) : 1005);
      this.#socket.end(frame(opcodes.close, payload.subarray(0, 2)));
    }
  }

  #end(code: number): void {
    this.#closed.resolve({ code, at: machineTime() });
  }
}

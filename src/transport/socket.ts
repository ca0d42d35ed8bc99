/** The WebSocket server: opens sockets, feeds graphql-ws with their messages, and closes them. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { CloseCode, handleProtocols, makeServer, MessageType, stringifyMessage } from "graphql-ws";
import { WebSocketServer, type RawData, type ServerOptions, type WebSocket } from "ws";
import { Life } from "../session/life.ts";
import { closes } from "./close-codes.ts";
import { deviceOf } from "./credentials.ts";
import { socketHooks, type OperationOptions, type Socket } from "./operations.ts";
import { isForeign, type AllowsOrigin } from "./origins.ts";
import type { Places } from "./places.ts";
import { notesOf, type NoteRefusal } from "./refusals.ts";

export interface SocketOptions extends OperationOptions {
  readonly noteRefusal: NoteRefusal;
  readonly trustedProxies: number;
  /** Bytes of one message. */
  readonly maxMessageSize: number;
  readonly allowsOrigin: AllowsOrigin;
  /** Milliseconds between pings; a socket that did not answer the one before is cut. */
  readonly keepAlive: number;
  /** For all sockets, and for the streams over HTTP. */
  readonly places: Places;
  /** For those that nobody has signed in on yet. */
  readonly strangers: Places;
}

/** Milliseconds after which a socket is cut whose client does not answer the close frame. */
const closeTimeout = 1_000;
/** Bytes that may wait for a client to read them; he who lets more pile up is cut. */
const maxBacklog = 8 * 1024 * 1024;
const forClients = new Set<unknown>([
  MessageType.ConnectionAck,
  MessageType.Next,
  MessageType.Error,
]);
const pong = stringifyMessage({ type: MessageType.Pong });

export class SocketServer {
  readonly #options: SocketOptions;
  readonly #protocol: ReturnType<typeof makeServer<Record<string, unknown>, Socket>>;
  readonly #server: WebSocketServer;
  /** Each open socket, with whether it answered the last ping. */
  readonly #sockets = new Map<WebSocket, { readonly socket: Socket; alive: boolean }>();
  readonly #pings: NodeJS.Timeout;
  #closing = false;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#protocol = makeServer(socketHooks(options));
    const settings: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      maxPayload: options.maxMessageSize,
      // Not in the published types yet.
      closeTimeout,
      handleProtocols,
    };
    this.#server = new WebSocketServer(settings);
    // Timers run before what came is read: after a stall of the event loop, the pongs that wait in the
    // kernel count first.
    this.#pings = setInterval(() => setImmediate(() => this.#ping()), options.keepAlive);
  }

  /** Takes over an HTTP connection that asks for an upgrade to WebSocket. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { allowsOrigin, noteRefusal, trustedProxies } = this.#options;
    // Until a socket is made of it, nobody else listens.
    stream.on("error", destroy);
    if (this.#closing) return reject(stream, "503 Service Unavailable");
    if (!/^\/graphql\/?(\?|$)/.test(request.url ?? "")) return reject(stream, "404 Not Found");
    if (isForeign(request, allowsOrigin)) {
      const device = deviceOf(request, trustedProxies);
      noteRefusal({ transport: "socket", reason: "ORIGIN", device });
      return reject(stream, "403 Forbidden");
    }
    this.#server.handleUpgrade(request, stream, head, (ws) => this.#open(ws, request));
  }

  /** Those that are not authenticated yet too. */
  get lives(): Life[] {
    return [...this.#sockets.values()].map(({ socket }) => socket.life);
  }

  /** Lets no more in; resolves when all sockets are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    const gone = [...this.#sockets.keys()].map(
      (ws) => new Promise((resolve) => ws.once("close", resolve)),
    );
    await Promise.all(gone);
    clearInterval(this.#pings);
  }

  #open(ws: WebSocket, request: IncomingMessage): void {
    const { noteRefusal, trustedProxies, places, strangers, onFault } = this.#options;
    const device = deviceOf(request, trustedProxies);
    const life = new Life(onFault);
    const place = places.take(device.ipAddress, life);
    const strangerPlace = place && strangers.take(device.ipAddress, life);
    const socket: Socket = {
      device,
      life,
      note: notesOf("socket", device, noteRefusal),
      onAdmitted: () => strangerPlace?.(),
      claims: undefined,
      operations: 0,
      onReplied: undefined,
    };
    life.onEnd((ending) => {
      if (ending !== "LEFT") ws.close(closes[ending].code, closes[ending].reason);
    });
    const state = { socket, alive: true };
    this.#sockets.set(ws, state);
    if (strangerPlace === undefined) {
      socket.note("TOO_MANY_CONNECTIONS");
      life.end("TOO_MANY");
    }

    let onMessage: (data: string) => Promise<void> = () => Promise.resolve();
    const onClose = this.#protocol.opened(
      {
        protocol: ws.protocol,
        send: (data) => send(ws, data),
        close: (code = CloseCode.InternalServerError, reason = "") => {
          if (ws.readyState !== ws.OPEN) return;
          socket.note(`PROTOCOL_${code}`, socket.claims);
          // It may quote what the client sent, and no more than 123 bytes fit into the frame.
          ws.close(code, Buffer.from(reason).subarray(0, 120).toString());
        },
        onMessage: (callback) => (onMessage = callback),
        // Without the payload of the ping: nobody may have us send what he sends.
        onPing: () => send(ws, pong),
      },
      socket,
    );
    ws.on("message", (data, isBinary) => {
      // A client may ignore the close frame: what it sends after the end is not even looked at.
      if (life.ending !== undefined || ws.readyState !== ws.OPEN) return;
      if (isBinary) ws.close(CloseCode.BadRequest, "Binary messages are not supported");
      else
        onMessage(text(data)).catch((error: unknown) => {
          if (isForClients(data)) return ws.close(CloseCode.BadRequest, "Invalid message received");
          onFault("a socket's message was not handled", error);
          ws.close(CloseCode.InternalServerError, "Internal server error");
        });
    });
    ws.on("pong", () => (state.alive = true));
    // A broken frame, or one too large: ws closes the socket with the code for it.
    ws.on("error", () => {});
    ws.once("close", (code, reason) => {
      this.#sockets.delete(ws);
      life.end("LEFT");
      onClose(code, String(reason)).catch((error: unknown) =>
        onFault("a closed socket was not cleaned up", error),
      );
    });
  }

  #ping(): void {
    for (const [ws, state] of this.#sockets) {
      if (!state.alive) ws.terminate();
      state.alive = false;
      if (ws.readyState === ws.OPEN) ws.ping();
    }
  }
}

/** Not written as a closure of the upgrade, which would keep its request for as long as the socket. */
function destroy(this: Duplex): void {
  this.destroy();
}

function reject(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

/** What cannot be sent any more is dropped: the socket is closing, and its client is told by that. */
function send(ws: WebSocket, data: string): Promise<void> {
  if (ws.readyState !== ws.OPEN) return Promise.resolve();
  if (ws.bufferedAmount > maxBacklog) ws.terminate();
  return new Promise((resolve) => ws.send(data, () => resolve()));
}

/** Whether it is a message that only servers send; graphql-ws throws at those. */
function isForClients(data: RawData): boolean {
  const { type } = JSON.parse(text(data)) as { readonly type?: unknown };
  return forClients.has(type);
}

function text(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString();
  return (Buffer.isBuffer(data) ? data : Buffer.from(data)).toString();
}

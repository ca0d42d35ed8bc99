/** The WebSocket server: opens sockets, feeds graphql-ws with their messages, and closes them. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { handleProtocols, makeServer } from "graphql-ws";
import { WebSocketServer, type Server, type ServerOptions } from "ws";
import type { ConnectionLifecycle } from "../connections/lifecycle.ts";
import { withLogContext, requestIdFrom, requestIdHeader } from "../lib/log-context.ts";
import { closeTimeout } from "../connections/lifecycle.ts";
import { deviceOf } from "../request/client-info.ts";
import { CloseHandshakes } from "./close-handshakes.ts";
import { ManagedWebSocket, OpenSocket, type OpenSocketOptions } from "./socket.ts";
import { socketHooks, type OperationOptions, type Socket } from "./graphql-ws-hooks.ts";
import { isCrossOriginForbidden, type AllowsOrigin } from "../request/origin-check.ts";
import { showToken } from "./show-token.ts";

export interface SocketOptions
  extends OperationOptions, Omit<OpenSocketOptions, "onGone" | "closeHandshakes" | "showToken"> {
  readonly trustProxy: number;
  /** Bytes of one message. */
  readonly maxMessageSize: number;
  readonly allowsOrigin: AllowsOrigin;
  /** Milliseconds between pings; a socket that did not answer the one before is cut. */
  readonly keepAlive: number;
}

export class SocketServer {
  readonly #options: SocketOptions & OpenSocketOptions;
  readonly #protocol: ReturnType<typeof makeServer<Record<string, unknown>, Socket>>;
  readonly #server: Server<typeof ManagedWebSocket>;
  readonly #sockets = new Set<OpenSocket>();
  /** Connections that were answered with a status instead of an upgrade, and are not closed yet. */
  readonly #refused = new Set<Duplex>();
  readonly #pings: NodeJS.Timeout;
  #closing = false;

  constructor(options: SocketOptions) {
    this.#options = {
      ...options,
      closeHandshakes: new CloseHandshakes(),
      showToken: (socket, token) => showToken(socket, token, options),
      onGone: (socket) => this.#sockets.delete(socket),
    };
    this.#protocol = makeServer(socketHooks(options));
    const settings: ServerOptions<typeof ManagedWebSocket> & { closeTimeout: number } = {
      noServer: true,
      WebSocket: ManagedWebSocket,
      clientTracking: false,
      maxPayload: options.maxMessageSize,
      // Each piece of a message takes more than its bytes, however small it is.
      maxFragments: 64 + Math.ceil(options.maxMessageSize / 1024),
      maxBufferedChunks: 64 + Math.ceil(options.maxMessageSize / 256),
      // Not in the published types yet.
      closeTimeout,
      handleProtocols,
    };
    this.#server = new WebSocketServer(settings).on("headers", (headers) => {
      for (const [name, value] of Object.entries(requestIdHeader()))
        headers.push(`${name}: ${value}`);
    });
    // Timers run before what came is read: after a stall of the event loop, the pongs that wait in the
    // kernel count first.
    this.#pings = setInterval(() => setImmediate(() => this.#ping()), options.keepAlive);
  }

  /** Takes over an HTTP connection that asks for an upgrade to WebSocket. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const connectionId = requestIdFrom(request.headers["x-request-id"]);
    withLogContext({ connectionId }, () => this.#upgrade(request, stream, head, connectionId));
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer, id: string): void {
    const { allowsOrigin, noteRefusal, trustProxy } = this.#options;
    if (this.#closing) return this.#reject(stream, "503 Service Unavailable");
    if (!/^\/graphql\/?(\?|$)/.test(request.url ?? ""))
      return this.#reject(stream, "404 Not Found");
    if (isCrossOriginForbidden(request, allowsOrigin)) {
      const device = deviceOf(request, trustProxy);
      noteRefusal({ transport: "socket", reason: "ORIGIN", device });
      return this.#reject(stream, "403 Forbidden");
    }
    let isOpen = false;
    this.#server.handleUpgrade(request, stream, head, (ws) => {
      isOpen = true;
      this.#open(ws, request, id);
    });
    // ws has answered it with a status.
    if (!isOpen) this.#limit(stream);
  }

  /** Destroys what was refused and is not closed yet. */
  cutRefused(): void {
    for (const stream of this.#refused) stream.destroy();
  }

  /** Those that are not authenticated yet too. */
  get lifecycles(): ConnectionLifecycle[] {
    return [...this.#sockets].map(({ lifecycle }) => lifecycle);
  }

  /** Lets no more in; resolves when all sockets are gone. */
  async close(): Promise<void> {
    this.#closing = true;
    const gone = [...this.#sockets].map(
      ({ ws }) => new Promise((resolve) => ws.once("close", resolve)),
    );
    await Promise.all(gone);
    clearInterval(this.#pings);
  }

  #ping(): void {
    const mark = randomBytes(8);
    for (const socket of this.#sockets) socket.ping(mark);
  }

  #open(ws: ManagedWebSocket, request: IncomingMessage, id: string): void {
    const device = deviceOf(request, this.#options.trustProxy);
    const socket = new OpenSocket(ws, id, device, this.#options);
    this.#sockets.add(socket);
    socket.open(this.#protocol);
  }

  #reject(stream: Duplex, status: string): void {
    // No WebSocket is made of it, which would listen.
    stream.on("error", () => stream.destroy());
    stream.once("finish", () => stream.destroy());
    stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    this.#limit(stream);
  }

  /** Destroys a refused connection whose client neither reads the answer nor closes its own side. */
  #limit(stream: Duplex): void {
    if (stream.closed) return;
    const timer = setTimeout(() => stream.destroy(), closeTimeout);
    this.#refused.add(stream);
    stream.once("close", () => {
      clearTimeout(timer);
      this.#refused.delete(stream);
    });
  }
}

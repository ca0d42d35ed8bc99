/** The WebSocket server: upgrades connections, connects their sockets to graphql-ws, and closes them at shutdown. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { handleProtocols, makeServer } from "graphql-ws";
import { WebSocketServer, type Server, type ServerOptions } from "ws";
import { closeTimeout, type ConnectionLifecycle } from "../connections/lifecycle.ts";
import { withLogContext, requestIdFrom, requestIdHeader } from "../lib/log-context.ts";
import { deviceOf } from "../request/client-info.ts";
import { CloseHandshakes } from "./close-handshakes.ts";
import { ManagedWebSocket, OpenSocket, type OpenSocketOptions } from "./socket.ts";
import { socketHooks, type OperationOptions, type Socket } from "./graphql-ws-hooks.ts";
import { isCrossOriginForbidden, type AllowsOrigin } from "../request/origin-check.ts";
import { presentToken } from "./present-token.ts";

export interface SocketServerOptions
  extends
    OperationOptions,
    Omit<OpenSocketOptions, "onClosed" | "closeHandshakes" | "presentToken"> {
  readonly trustProxy: number;
  /** Maximum size of a message (bytes). */
  readonly maxMessageSize: number;
  readonly allowsOrigin: AllowsOrigin;
  /** Milliseconds between pings; a socket that has not answered the last one is terminated. */
  readonly keepAlive: number;
}

export class SocketServer {
  readonly #options: SocketServerOptions & OpenSocketOptions;
  readonly #protocol: ReturnType<typeof makeServer<Record<string, unknown>, Socket>>;
  readonly #server: Server<typeof ManagedWebSocket>;
  readonly #sockets = new Set<OpenSocket>();
  /** Connections whose upgrade was refused and that are not closed yet. */
  readonly #refused = new Set<Duplex>();
  readonly #pings: NodeJS.Timeout;
  #isClosing = false;

  constructor(options: SocketServerOptions) {
    this.#options = {
      ...options,
      closeHandshakes: new CloseHandshakes(),
      presentToken: (socket, token) => presentToken(socket, token, options),
      onClosed: (socket) => this.#sockets.delete(socket),
    };
    this.#protocol = makeServer(socketHooks(options));
    const settings: ServerOptions<typeof ManagedWebSocket> & { closeTimeout: number } = {
      noServer: true,
      WebSocket: ManagedWebSocket,
      clientTracking: false,
      maxPayload: options.maxMessageSize,
      // Each fragment of a message takes more memory than its bytes, however small it is.
      maxFragments: 64 + Math.ceil(options.maxMessageSize / 1024),
      maxBufferedChunks: 64 + Math.ceil(options.maxMessageSize / 256),
      // Missing in the published types.
      closeTimeout,
      handleProtocols,
    };
    this.#server = new WebSocketServer(settings).on("headers", (headers) => {
      for (const [name, value] of Object.entries(requestIdHeader()))
        headers.push(`${name}: ${value}`);
    });
    // Timers run before sockets are read. After a stall of the event loop, `setImmediate` lets the pongs that wait
    // in the kernel count first.
    this.#pings = setInterval(() => setImmediate(() => this.#ping()), options.keepAlive);
  }

  /** Handles an HTTP connection that requests an upgrade to WebSocket. */
  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    const connectionId = requestIdFrom(request.headers["x-request-id"]);
    withLogContext({ connectionId }, () => this.#upgrade(request, stream, head, connectionId));
  }

  #upgrade(request: IncomingMessage, stream: Duplex, head: Buffer, id: string): void {
    const { allowsOrigin, noteRefusal, trustProxy } = this.#options;
    if (this.#isClosing) return this.#reject(stream, "503 Service Unavailable");
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
    // ws has refused it with an HTTP status.
    if (!isOpen) this.#destroyLater(stream);
  }

  /** Destroys the refused connections that are not closed yet. */
  destroyRefused(): void {
    for (const stream of this.#refused) stream.destroy();
  }

  /** All sockets, including unauthenticated ones. */
  get lifecycles(): ConnectionLifecycle[] {
    return [...this.#sockets].map(({ lifecycle }) => lifecycle);
  }

  /** Refuses new sockets; resolves when all sockets are closed. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const closed = [...this.#sockets].map(
      ({ ws }) => new Promise((resolve) => ws.once("close", resolve)),
    );
    await Promise.all(closed);
    clearInterval(this.#pings);
  }

  #ping(): void {
    const payload = randomBytes(8);
    for (const socket of this.#sockets) socket.ping(payload);
  }

  #open(ws: ManagedWebSocket, request: IncomingMessage, id: string): void {
    const device = deviceOf(request, this.#options.trustProxy);
    const socket = new OpenSocket(ws, id, device, this.#options);
    this.#sockets.add(socket);
    socket.open(this.#protocol);
  }

  #reject(stream: Duplex, status: string): void {
    // A stream without a listener for errors would crash the process; no WebSocket listens here.
    stream.on("error", () => stream.destroy());
    stream.once("finish", () => stream.destroy());
    stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    this.#destroyLater(stream);
  }

  /** Destroys a refused connection whose client neither reads the response nor closes its side. */
  #destroyLater(stream: Duplex): void {
    if (stream.closed) return;
    const timer = setTimeout(() => stream.destroy(), closeTimeout);
    this.#refused.add(stream);
    stream.once("close", () => {
      clearTimeout(timer);
      this.#refused.delete(stream);
    });
  }
}

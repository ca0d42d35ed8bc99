/** One open WebSocket: adapts ws to graphql-ws, and enforces limits, keep-alive and the end of the session. */
import { CloseCode, MessageType, stringifyMessage, type Server } from "graphql-ws";
import { WebSocket, type RawData } from "ws";
import type { MemoryLedger } from "../connections/memory-ledger.ts";
import type { ReportError } from "../lib/report-error.ts";
import { ConnectionLifecycle } from "../connections/lifecycle.ts";
import type { Device } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import { withLogContext } from "../lib/log-context.ts";
import { Backlog } from "./backlog.ts";
import { closes, type CloseReason } from "../protocol/close-reasons.ts";
import type { CloseHandshakes } from "./close-handshakes.ts";
import { MessageFlow } from "./message-flow.ts";
import { idTooLong, readMessage, type SocketMessage } from "./messages.ts";
import { noObserver, type ConnectionObserver } from "../connections/observer.ts";
import type { Socket } from "./graphql-ws-hooks.ts";
import type { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { refusalLogger, type LogRefusal, type RecordRefusal } from "../connections/refusals.ts";
import type { TokenExpiry } from "./present-token.ts";

export interface OpenSocketOptions {
  readonly noteRefusal: RecordRefusal;
  readonly reportError: ReportError;
  /** Limits all sockets and HTTP streams together. */
  readonly places: ConnectionLimiter;
  /** Limits unauthenticated sockets; a new one may displace one that has not sent `connection_init`. */
  readonly strangers: ConnectionLimiter;
  /** How long a new socket may take to send `connection_init` (ms); the client may renew its session first. */
  readonly initTimeout: number;
  readonly closeHandshakes: CloseHandshakes;
  /** Counts the bytes that wait to be sent. */
  readonly ledger?: MemoryLedger;
  readonly observer?: ConnectionObserver;
  /** Accepts a token from a ping; resolves to the payload of the `pong`. */
  readonly presentToken: (socket: Socket, token: unknown) => Promise<TokenExpiry | undefined>;
  /** Called when the connection is closed. */
  readonly onClosed: (socket: OpenSocket) => void;
}

/** Bytes that may wait for a slow client; a socket with a larger backlog is terminated. */
const maxBacklog = 8 * 1024 * 1024;
/** Bytes that a frame takes while it waits, besides its own: objects of Node's stream, and a promise. */
const frameOverhead = 1_000;
const pong = stringifyMessage({ type: MessageType.Pong });

/** A WebSocket that refers to its `OpenSocket`, so that all sockets share the same few listener functions. */
export class ManagedWebSocket extends WebSocket {
  openSocket: OpenSocket | undefined;
}

/** Uses methods instead of closures to save memory: there are very many sockets, and most are idle. */
export class OpenSocket implements Socket {
  readonly ws: ManagedWebSocket;
  readonly #id: string;
  readonly device: Device;
  /** Begins when the socket opens; its end closes the socket. */
  readonly lifecycle: ConnectionLifecycle;
  /** Whether the client answered the last ping. */
  isAlive = true;
  claims: Claims | undefined;
  userId: string | undefined;
  generation = 0;
  expiresAt = 0;
  tokenChecks: Socket["tokenChecks"];
  operations = 0;
  readonly #options: OpenSocketOptions;
  #lastPing: Buffer | undefined;
  #logRefusal: LogRefusal | undefined;
  /** Created at the first message. */
  #flow: MessageFlow | undefined;
  /** Frames that were sent and are not written yet. */
  #frames = 0;
  /** Created when bytes wait. */
  #backlog: Backlog | undefined;
  #initTimer: NodeJS.Timeout | undefined;
  #onMessage: ((message: unknown) => Promise<void>) | undefined;
  #onClose: ReturnType<Server["opened"]> | undefined;

  /** @param id connection id for the log */
  constructor(ws: ManagedWebSocket, id: string, device: Device, options: OpenSocketOptions) {
    this.ws = ws;
    this.#id = id;
    this.device = device;
    this.#options = options;
    this.lifecycle = new ConnectionLifecycle(options.reportError);
    this.lifecycle.onEnd((reason) => this.#end(reason));
    ws.openSocket = this;
    ws.on("message", onMessage).on("pong", onPong).on("error", ignoreError).on("close", onClose);
  }

  /** Starts the protocol, or closes the socket if a connection limit is reached. */
  open(protocol: Server<Socket>): void {
    const { places, strangers, initTimeout, observer = noObserver } = this.#options;
    observer.opened("socket");
    const { ipAddress } = this.device;
    this.#initTimer = setTimeout(() => {
      this.close(CloseCode.ConnectionInitialisationTimeout, "Connection initialisation timeout");
    }, initTimeout);
    if (!places.acquire(ipAddress, this.lifecycle) || !strangers.acquire(ipAddress, this.lifecycle))
      this.lifecycle.end("TOO_MANY_CONNECTIONS");
    this.#onClose = protocol.opened(this, this);
  }

  logRefusal(...[reason, claims]: Parameters<LogRefusal>): void {
    this.#logRefusal ??= refusalLogger("socket", this.device, this.#options.noteRefusal);
    this.#logRefusal(reason, claims);
  }

  onInit(): void {
    clearTimeout(this.#initTimer);
    this.#initTimer = undefined;
    // From now on the client waits for the server, so new sockets must not displace this one.
    this.#options.strangers.protect(this.device.ipAddress, this.lifecycle);
  }

  onAdmitted(): void {
    this.#options.strangers.release(this.device.ipAddress, this.lifecycle);
  }

  get protocol(): string {
    return this.ws.protocol;
  }

  /** Drops the message if the socket is closing: the close frame tells the client. */
  send(data: string): Promise<void> {
    const { ws } = this;
    if (ws.readyState !== ws.OPEN) return Promise.resolve();
    const waiting = this.#waiting;
    if (waiting > maxBacklog || !this.#reserve(waiting)) ws.terminate();
    this.#frames += 1;
    return new Promise((resolve) =>
      ws.send(data, () => {
        this.#frames -= 1;
        this.#backlog?.update(this.#waiting);
        resolve();
      }),
    );
  }

  /** Bytes that wait for the client to read them, including the overhead of short frames. */
  get #waiting(): number {
    const { bufferedAmount } = this.ws;
    return bufferedAmount === 0 ? 0 : bufferedAmount + frameOverhead * this.#frames;
  }

  /** Reserves memory for the bytes that wait. Returns false if a memory limit is exceeded. */
  #reserve(bytes: number): boolean {
    const { ledger } = this.#options;
    if (bytes === 0 || ledger === undefined) return true;
    this.#backlog ??= new Backlog(ledger, () => ({
      fingerprint: this.claims?.fingerprint,
      userId: this.userId,
      ipAddress: this.device.ipAddress,
    }));
    return this.#backlog.update(bytes);
  }

  close(code: number = CloseCode.InternalServerError, reason = ""): void {
    const { ws } = this;
    if (ws.readyState !== ws.OPEN) return;
    this.logRefusal(`PROTOCOL_${code}`, this.claims);
    // The reason may quote the client's message, and a close frame holds at most 123 bytes of it.
    ws.close(code, Buffer.from(reason).subarray(0, 120).toString());
  }

  onMessage(callback: (data: string) => Promise<void>): void {
    // The callback accepts parsed messages too, although its type does not say so.
    this.#onMessage = callback as (message: unknown) => Promise<void>;
  }

  /** Replies without the ping's payload, which may be a token and must not be echoed. */
  async onPing(payload?: Readonly<Record<string, unknown>>): Promise<void> {
    const token = payload?.["token"];
    const expiry = token === undefined ? undefined : await this.#options.presentToken(this, token);
    await this.send(
      expiry === undefined
        ? pong
        : stringifyMessage({ type: MessageType.Pong, payload: { ...expiry } }),
    );
  }

  receive(data: RawData, isBinary: boolean): void {
    const { ws } = this;
    const flow = (this.#flow ??= new MessageFlow(ws));
    // A client may ignore the close frame: messages after the end are not parsed.
    if (this.lifecycle.closeReason !== undefined || ws.readyState !== ws.OPEN)
      return flow.takeLate();
    if (isBinary) return ws.close(CloseCode.BadRequest, "Binary messages are not supported");
    if (this.claims !== undefined) flow.take();
    else if (!flow.takeFirst())
      return this.close(CloseCode.BadRequest, "Too many messages before the acknowledgement");
    this.#handle(readMessage(data));
  }

  /** Takes the parsed message only, so that closures do not keep the frame until the operation is done. */
  #handle({ content, isForClients, hasLongId }: SocketMessage): void {
    const { ws } = this;
    if (hasLongId) this.close(CloseCode.BadRequest, idTooLong);
    else
      void this.#withContext(() =>
        this.#onMessage?.(content).catch((error: unknown) => {
          if (isForClients) return ws.close(CloseCode.BadRequest, "Invalid message received");
          this.#options.reportError("a socket's message was not handled", error);
          ws.close(CloseCode.InternalServerError, "Internal server error");
        }),
      );
  }

  /**
   * Sends a ping. Terminates the socket if the client has not answered the last one.
   *
   * @param payload unpredictable: a client that sends pongs without reading must not count as alive
   */
  ping(payload: Buffer): void {
    const { ws } = this;
    if (!this.isAlive) ws.terminate();
    this.isAlive = false;
    this.#lastPing = payload;
    if (ws.readyState === ws.OPEN) ws.ping(payload);
  }

  pong(payload: Buffer): void {
    if (this.#lastPing?.equals(payload) === true) this.isAlive = true;
  }

  onClosed(code: number, reason: string): void {
    this.#options.onClosed(this);
    this.#flow?.stop();
    this.#backlog?.release();
    this.#backlog = undefined;
    this.lifecycle.end("CLIENT_GONE");
    void this.#withContext(() =>
      this.#onClose?.(code, reason).catch((error: unknown) =>
        this.#options.reportError("a closed socket was not cleaned up", error),
      ),
    );
  }

  /** Log lines of the work carry the connection's id. */
  #withContext<T>(work: () => T): T {
    return withLogContext({ connectionId: this.#id }, work);
  }

  #end(reason: CloseReason): void {
    const { places, strangers, closeHandshakes, observer = noObserver } = this.#options;
    observer.ended("socket", reason);
    const { ipAddress } = this.device;
    this.onInit();
    strangers.release(ipAddress, this.lifecycle);
    places.release(ipAddress, this.lifecycle);
    if (reason === "CLIENT_GONE") return;
    if (reason === "TOO_MANY_CONNECTIONS") this.logRefusal("TOO_MANY_CONNECTIONS");
    this.ws.close(closes[reason].code, closes[reason].reason);
    closeHandshakes.add(this.ws);
  }
}

function openSocketOf(ws: WebSocket): OpenSocket | undefined {
  return ws instanceof ManagedWebSocket ? ws.openSocket : undefined;
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  openSocketOf(this)?.receive(data, isBinary);
}

function onPong(this: WebSocket, payload: Buffer): void {
  openSocketOf(this)?.pong(payload);
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  openSocketOf(this)?.onClosed(code, String(reason));
}

/** For invalid and oversized frames: ws itself closes the socket with the proper code. */
function ignoreError(): void {}

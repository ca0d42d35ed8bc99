/** One open socket: what it keeps of its client, and how graphql-ws and the operations see it. */
import { CloseCode, MessageType, stringifyMessage, type Server } from "graphql-ws";
import { WebSocket, type RawData } from "ws";
import type { MemoryLedger } from "../connections/memory-ledger.ts";
import type { ReportError } from "../lib/report-error.ts";
import { ConnectionLifecycle } from "../connections/lifecycle.ts";
import { type CloseReason } from "../protocol/close-reasons.ts";
import type { Device } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import { withLogContext } from "../lib/log-context.ts";
import { Backlog } from "./backlog.ts";
import { closes } from "../protocol/close-reasons.ts";
import type { CloseHandshakes } from "./close-handshakes.ts";
import { MessageFlow } from "./message-flow.ts";
import { idTooLong, readMessage, type Message } from "./messages.ts";
import { noObserver, type ConnectionObserver } from "../connections/observer.ts";
import type { Socket } from "./graphql-ws-hooks.ts";
import type { ConnectionLimiter } from "../connections/connection-limiter.ts";
import { refusalLogger, type LogRefusal, type RecordRefusal } from "../connections/refusals.ts";
import type { Shown } from "./show-token.ts";

export interface OpenSocketOptions {
  readonly noteRefusal: RecordRefusal;
  readonly reportError: ReportError;
  /** For all sockets, and for the streams over HTTP. */
  readonly places: ConnectionLimiter;
  /** For those that nobody has signed in on yet; a newcomer may displace one that has not sent `connection_init`. */
  readonly strangers: ConnectionLimiter;
  /** Milliseconds from the opening of a socket to its `connection_init`, which may wait for a renewal. */
  readonly initTimeout: number;
  readonly closeHandshakes: CloseHandshakes;
  /** Counts what waits to be sent. */
  readonly ledger?: MemoryLedger;
  readonly observer?: ConnectionObserver;
  /** Takes a token that its client shows; resolves to what the `pong` carries. */
  readonly showToken: (socket: Socket, token: unknown) => Promise<Shown | undefined>;
  /** Called when its connection is gone. */
  readonly onGone: (socket: OpenSocket) => void;
}

/** Bytes that may wait for a client to read them; he who lets more pile up is cut. */
const maxBacklog = 8 * 1024 * 1024;
/** Bytes that a frame takes while it waits, besides its own: objects of Node's stream, and a promise. */
const frameOverhead = 1_000;
const pong = stringifyMessage({ type: MessageType.Pong });

/** It knows what it carries, so that the listeners of all sockets are the same few functions. */
export class ManagedWebSocket extends WebSocket {
  carried: OpenSocket | undefined;
}

/** Methods, not closures: there are very many sockets, and on most of them nothing happens. */
export class OpenSocket implements Socket {
  readonly ws: ManagedWebSocket;
  readonly #id: string;
  readonly device: Device;
  /** From the opening of the socket on; its end closes the socket. */
  readonly lifecycle: ConnectionLifecycle;
  /** Whether it answered the last ping. */
  isAlive = true;
  claims: Claims | undefined;
  userId: string | undefined;
  generation = 0;
  expiresAt = 0;
  asked: Socket["asked"];
  operations = 0;
  onReplied: Map<string, () => void> | undefined;
  readonly #options: OpenSocketOptions;
  /** Of the last ping. */
  #mark: Buffer | undefined;
  #note: LogRefusal | undefined;
  /** Made at the first message. */
  #flow: MessageFlow | undefined;
  /** Frames that were sent and are not written yet. */
  #frames = 0;
  /** Made when something waits. */
  #backlog: Backlog | undefined;
  #initTimer: NodeJS.Timeout | undefined;
  #onMessage: ((message: unknown) => Promise<void>) | undefined;
  #onClose: ReturnType<Server["opened"]> | undefined;

  /** @param id names it in the log */
  constructor(ws: ManagedWebSocket, id: string, device: Device, options: OpenSocketOptions) {
    this.ws = ws;
    this.#id = id;
    this.device = device;
    this.#options = options;
    this.lifecycle = new ConnectionLifecycle(options.reportError);
    this.lifecycle.onEnd((ending) => this.#end(ending));
    ws.carried = this;
    ws.on("message", onMessage).on("pong", onPong).on("error", ignore).on("close", onClose);
  }

  /** Speaks that protocol from now on; unless there is no place for it. */
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

  note(...[reason, claims]: Parameters<LogRefusal>): void {
    this.#note ??= refusalLogger("socket", this.device, this.#options.noteRefusal);
    this.#note(reason, claims);
  }

  onInit(): void {
    clearTimeout(this.#initTimer);
    this.#initTimer = undefined;
    // From here on the client waits for the server, which newcomers must not make in vain.
    this.#options.strangers.protect(this.device.ipAddress, this.lifecycle);
  }

  onAdmitted(): void {
    this.#options.strangers.release(this.device.ipAddress, this.lifecycle);
  }

  get protocol(): string {
    return this.ws.protocol;
  }

  /** What cannot be sent any more is dropped: the socket is closing, and its client is told by that. */
  send(data: string): Promise<void> {
    const { ws } = this;
    if (ws.readyState !== ws.OPEN) return Promise.resolve();
    const waiting = this.#waiting;
    if (waiting > maxBacklog || !this.#mayWait(waiting)) ws.terminate();
    this.#frames += 1;
    return new Promise((resolve) =>
      ws.send(data, () => {
        this.#frames -= 1;
        this.#backlog?.update(this.#waiting);
        resolve();
      }),
    );
  }

  /** Bytes that wait for the client to read them, with what short frames take beyond their length. */
  get #waiting(): number {
    const { bufferedAmount } = this.ws;
    return bufferedAmount === 0 ? 0 : bufferedAmount + frameOverhead * this.#frames;
  }

  /** Whether so many bytes may wait for the client to read them. */
  #mayWait(bytes: number): boolean {
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
    this.note(`PROTOCOL_${code}`, this.claims);
    // It may quote what the client sent, and no more than 123 bytes fit into the frame.
    ws.close(code, Buffer.from(reason).subarray(0, 120).toString());
  }

  onMessage(callback: (data: string) => Promise<void>): void {
    // It takes what was parsed too, which its types do not say.
    this.#onMessage = callback as (message: unknown) => Promise<void>;
  }

  /** Without the payload of the ping, which may be a token: what a client sends is not sent back. */
  async onPing(payload?: Readonly<Record<string, unknown>>): Promise<void> {
    const token = payload?.["token"];
    const shown = token === undefined ? undefined : await this.#options.showToken(this, token);
    await this.send(
      shown === undefined
        ? pong
        : stringifyMessage({ type: MessageType.Pong, payload: { ...shown } }),
    );
  }

  take(data: RawData, isBinary: boolean): void {
    const { ws } = this;
    const flow = (this.#flow ??= new MessageFlow(ws));
    // A client may ignore the close frame: what it sends after the end is not even looked at.
    if (this.lifecycle.closeReason !== undefined || ws.readyState !== ws.OPEN)
      return flow.takeLate();
    if (isBinary) return ws.close(CloseCode.BadRequest, "Binary messages are not supported");
    if (this.claims !== undefined) flow.take();
    else if (!flow.takeFirst())
      return this.close(CloseCode.BadRequest, "Too many messages before the acknowledgement");
    this.#receive(readMessage(data));
  }

  /** Without the frame: what follows is kept until the operation is done. */
  #receive({ content, isForClients, hasLongId }: Message): void {
    const { ws } = this;
    if (hasLongId) this.close(CloseCode.BadRequest, idTooLong);
    else
      void this.#log(() =>
        this.#onMessage?.(content).catch((error: unknown) => {
          if (isForClients) return ws.close(CloseCode.BadRequest, "Invalid message received");
          this.#options.reportError("a socket's message was not handled", error);
          ws.close(CloseCode.InternalServerError, "Internal server error");
        }),
      );
  }

  /**
   * A socket that did not answer the ping before is cut.
   *
   * @param mark cannot be guessed: a client that sends pongs and reads nothing answers no ping
   */
  ping(mark: Buffer): void {
    const { ws } = this;
    if (!this.isAlive) ws.terminate();
    this.isAlive = false;
    this.#mark = mark;
    if (ws.readyState === ws.OPEN) ws.ping(mark);
  }

  pong(payload: Buffer): void {
    if (this.#mark?.equals(payload) === true) this.isAlive = true;
  }

  onClosed(code: number, reason: string): void {
    this.#options.onGone(this);
    this.#flow?.stop();
    this.#backlog?.release();
    this.#backlog = undefined;
    this.lifecycle.end("CLIENT_GONE");
    void this.#log(() =>
      this.#onClose?.(code, reason).catch((error: unknown) =>
        this.#options.reportError("a closed socket was not cleaned up", error),
      ),
    );
  }

  /** Whatever comes of it says in the log that it is of this socket. */
  #log<T>(work: () => T): T {
    return withLogContext({ connectionId: this.#id }, work);
  }

  #end(ending: CloseReason): void {
    const { places, strangers, closeHandshakes, observer = noObserver } = this.#options;
    observer.ended("socket", ending);
    const { ipAddress } = this.device;
    this.onInit();
    strangers.release(ipAddress, this.lifecycle);
    places.release(ipAddress, this.lifecycle);
    if (ending === "CLIENT_GONE") return;
    if (ending === "TOO_MANY_CONNECTIONS") this.note("TOO_MANY_CONNECTIONS");
    this.ws.close(closes[ending].code, closes[ending].reason);
    closeHandshakes.add(this.ws);
  }
}

function carriedBy(ws: WebSocket): OpenSocket | undefined {
  return ws instanceof ManagedWebSocket ? ws.carried : undefined;
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  carriedBy(this)?.take(data, isBinary);
}

function onPong(this: WebSocket, payload: Buffer): void {
  carriedBy(this)?.pong(payload);
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  carriedBy(this)?.onClosed(code, String(reason));
}

/** A broken frame, or one too large: ws closes the socket with the code for it. */
function ignore(): void {}

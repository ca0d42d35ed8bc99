/** The caller of an operation as the transport identified it, and the connection lifecycle that the operation runs in. */
import type { ConnectionKind } from "../connections/connection-kind.ts";
import type { ConnectionLifecycle } from "../connections/lifecycle.ts";
import type { EndReason } from "../protocol/end-reasons.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Device, Session } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";
import type { Charge, MemoryLedger } from "../connections/memory-ledger.ts";

export interface CallerOptions {
  readonly authentication: Authentication;
  readonly device: Device;
  /** The lifecycle of the socket or the request. It ends when the client leaves, if not before. */
  readonly lifecycle: ConnectionLifecycle;
  /**
   * Registers the lifecycle as a connection of the session, or ends it if the session has ended. Absent if the
   * lifecycle was registered when it began.
   */
  readonly join?: (kind: ConnectionKind) => Promise<void>;
  /**
   * Stands for the operation's reply in its lifecycle, where the transport reports when that was sent.
   *
   * @default a reply that is finished when the client leaves
   */
  readonly reply?: object;
  /** How long a close waits for that reply when the operation ends its own session (ms). Default: no time-out. */
  readonly replyTimeout?: number;
  /** Called when the operation renewed a session, and its response has the new tokens. */
  readonly onRenewed?: (session: Session) => void;
  /** Called once, after the response or the close of the stream. */
  readonly onDone?: () => void;
  /** Counts the memory of the operation. Default: memory is not counted. */
  readonly ledger?: MemoryLedger | undefined;
  /**
   * Whether each operation is an HTTP request of its own.
   *
   * @default false
   */
  readonly isRequest?: boolean;
  /** Reads why the session ended, if the message of its end was lost. Never rejects. Default: it is unknown */
  readonly readEndReason?: () => Promise<EndReason | undefined>;
  /** Logs why the caller is not signed in. */
  readonly noteRefusal: (reason: RefusalReason, claims?: Claims) => void;
}

/** Requests up to this size are not charged: their connection takes as many bytes anyway. */
const unchargedBytes = 64 * 1024;

export class Caller {
  readonly authentication: Authentication;
  readonly device: Device;
  readonly lifecycle: ConnectionLifecycle;
  readonly noteRefusal: CallerOptions["noteRefusal"];
  /** A time of `performance.now()`. */
  readonly #identifiedAt = performance.now();
  readonly #join: CallerOptions["join"];
  readonly #reply: object;
  readonly #replyTimeout: number | undefined;
  readonly #onRenewed: CallerOptions["onRenewed"];
  #onDone: CallerOptions["onDone"];
  readonly #ledger: MemoryLedger | undefined;
  readonly #isRequest: boolean;
  readonly #readEndReason: CallerOptions["readEndReason"];
  #endReason: Promise<EndReason | undefined> | undefined;
  #charge: Charge | undefined;
  #joinedAs: ConnectionKind | undefined;
  #joined: Promise<void> | undefined;
  #repliesBeforeClose = false;

  constructor(options: CallerOptions) {
    this.authentication = options.authentication;
    this.device = options.device;
    this.lifecycle = options.lifecycle;
    this.noteRefusal = options.noteRefusal;
    this.#join = options.join;
    this.#reply = options.reply ?? this;
    this.#replyTimeout = options.replyTimeout;
    this.#onRenewed = options.onRenewed;
    this.#onDone = options.onDone;
    this.#ledger = options.ledger;
    this.#isRequest = options.isRequest ?? false;
    this.#readEndReason = options.readEndReason;
  }

  /** Milliseconds since the caller was identified. */
  get age(): number {
    return performance.now() - this.#identifiedAt;
  }

  /** Registers a long operation under its session. Afterwards the lifecycle ends with the session, or has ended. */
  async join(kind: ConnectionKind): Promise<void> {
    // A slow request may turn out to be a stream, which registers again as one.
    if (this.#joinedAs !== kind && this.#joinedAs !== "stream") {
      this.#joinedAs = kind;
      this.#joined = this.#join?.(kind);
    }
    await this.#joined;
  }

  /**
   * Charges the operation for its memory until it is done. Later calls for the same operation have no effect. A query
   * or mutation over HTTP is charged to the address only, and not at all if it is small, so that a session whose
   * subscriptions have used up its memory can still be renewed and ended.
   *
   * @param bytes called only if the memory is counted
   * @returns whether the memory is within the limits
   */
  charge(bytes: () => number, isSubscription: boolean): boolean {
    if (this.#ledger === undefined || this.#charge !== undefined) return true;
    const { authentication: by, device } = this;
    const isRequest = this.#isRequest && !isSubscription;
    const size = bytes();
    if (isRequest && size <= unchargedBytes) return true;
    const session = by.state === "signedIn" && !isRequest ? by.session : undefined;
    const { ipAddress } = device;
    const owner = { fingerprint: session?.fingerprint, userId: session?.userId, ipAddress };
    this.#charge = this.#ledger.operation(owner, size);
    return this.#charge !== undefined;
  }

  /** Releases the memory of the operation and reports that it is done. */
  done(): void {
    this.#charge?.release();
    this.#charge = undefined;
    const onDone = this.#onDone;
    this.#onDone = undefined;
    onDone?.();
  }

  /** Why the session ended, if the lifecycle closes for that; undefined if it is not known. */
  async endReason(): Promise<EndReason | undefined> {
    const { closeReason, endReason } = this.lifecycle;
    if (closeReason !== "SESSION_ENDED" || endReason !== undefined) return endReason;
    return (this.#endReason ??= this.#readEndReason?.());
  }

  /** Reports that the response of this operation has the newest tokens of the session. */
  renewed(session: Session): void {
    this.#onRenewed?.(session);
  }

  /** Whether the response is sent although the session has ended: only for the operation that ends its own session. */
  get repliesBeforeClose(): boolean {
    return this.#repliesBeforeClose;
  }

  /**
   * Runs work that may end the caller's own lifecycle. The end takes effect when the work is done and after the
   * response is sent, whatever ended the lifecycle meanwhile.
   */
  async endAfterReply<T>(work: () => Promise<T>): Promise<T> {
    const ending = {};
    this.lifecycle.closeAfter(ending);
    try {
      return await work();
    } finally {
      this.replyBeforeClose();
      this.lifecycle.finishReply(ending);
    }
  }

  /** Sends the response of the operation before the caller's connection closes. */
  replyBeforeClose(): void {
    if (this.#repliesBeforeClose) return;
    this.#repliesBeforeClose = true;
    this.lifecycle.closeAfter(this.#reply, this.#replyTimeout);
  }
}

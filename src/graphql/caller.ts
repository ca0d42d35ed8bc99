/** Who asks for an operation, as the transport saw him, and the life that the operation runs in. */
import type { ConnectionKind } from "../connections/connection-kind.ts";
import type { ConnectionLifecycle } from "../connections/lifecycle.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { Device, Session } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";
import type { Charge, MemoryLedger } from "../connections/memory-ledger.ts";

export interface CallerOptions {
  readonly authentication: Authentication;
  readonly device: Device;
  /** Of the socket or of the request; it has ended at the latest when the client leaves. */
  readonly lifecycle: ConnectionLifecycle;
  /** Puts the life under the session, or ends it; where that was not done when it began. */
  readonly join?: (stay: ConnectionKind) => Promise<void>;
  /**
   * Stands for the operation's reply in its lifecycle, where the transport reports when that was sent.
   *
   * @default a reply that is finished when the client leaves
   */
  readonly reply?: object;
  /** How long a close waits for that reply when the operation ends its own session (ms). Default: no time-out. */
  readonly replyTimeout?: number;
  /** Called when the operation renewed a session, whose new tokens are its answer. */
  readonly onRenewed?: (session: Session) => void;
  /** Called once, when the operation was answered or its stream is closed. */
  readonly onDone?: () => void;
  /** Counts what the operation keeps. Default: it is not counted. */
  readonly ledger?: MemoryLedger | undefined;
  /**
   * Whether each operation is an HTTP request of its own.
   *
   * @default false
   */
  readonly isRequest?: boolean;
  /** Logs why the caller is not signed in. */
  readonly noteRefusal: (reason: RefusalReason, claims?: Claims) => void;
}

/** Bytes of a request that are not counted: as much as its connection takes anyway. */
const uncounted = 64 * 1024;

export class Caller {
  readonly authentication: Authentication;
  readonly device: Device;
  readonly lifecycle: ConnectionLifecycle;
  readonly noteRefusal: CallerOptions["noteRefusal"];
  /** By `performance.now`. */
  readonly #since = performance.now();
  readonly #join: CallerOptions["join"];
  readonly #reply: object;
  readonly #replyTimeout: number | undefined;
  readonly #onRenewed: CallerOptions["onRenewed"];
  #onDone: CallerOptions["onDone"];
  readonly #ledger: MemoryLedger | undefined;
  readonly #isRequest: boolean;
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
  }

  /** Milliseconds since it was known who asks. */
  get age(): number {
    return performance.now() - this.#since;
  }

  /** For operations that last: afterwards the life ends with the session, or has ended. */
  async join(stay: ConnectionKind): Promise<void> {
    // A request that was slow may turn out to be a stream, and then joins as one.
    if (this.#joinedAs !== stay && this.#joinedAs !== "stream") {
      this.#joinedAs = stay;
      this.#joined = this.#join?.(stay);
    }
    await this.#joined;
  }

  /**
   * Charges the operation for what it keeps until it is done, once. A query or mutation over HTTP counts
   * against the address alone, and not at all where it is small: a session whose subscriptions keep all
   * that they may can still be renewed and ended.
   *
   * @param bytes is asked when they are counted
   * @returns whether it may keep that
   */
  keep(bytes: () => number, isSubscription: boolean): boolean {
    if (this.#ledger === undefined || this.#charge !== undefined) return true;
    const { authentication: by, device } = this;
    const isRequest = this.#isRequest && !isSubscription;
    const size = bytes();
    if (isRequest && size <= uncounted) return true;
    const session = by.state === "signedIn" && !isRequest ? by.session : undefined;
    const { ipAddress } = device;
    const owner = { fingerprint: session?.fingerprint, userId: session?.userId, ipAddress };
    this.#charge = this.#ledger.operation(owner, size);
    return this.#charge !== undefined;
  }

  done(): void {
    this.#charge?.release();
    this.#charge = undefined;
    const onDone = this.#onDone;
    this.#onDone = undefined;
    onDone?.();
  }

  /** The client has the newest token of that session by this operation. */
  renewed(session: Session): void {
    this.#onRenewed?.(session);
  }

  /** Whether the operation ended its own session: its reply, and no other, is sent after the end. */
  get repliesBeforeClose(): boolean {
    return this.#repliesBeforeClose;
  }

  /** Runs work that ends the caller's own connection. The close waits for the work, and then for the reply. */
  async beforeItsEnd<T>(work: () => Promise<T>): Promise<T> {
    const ending = {};
    this.lifecycle.closeAfter(ending);
    try {
      return await work();
    } finally {
      this.replyBeforeClose();
      this.lifecycle.finishReply(ending);
    }
  }

  /** Lets the reply be sent before the connection closes, for whatever reason it ends. */
  replyBeforeClose(): void {
    if (this.#repliesBeforeClose) return;
    this.#repliesBeforeClose = true;
    this.lifecycle.closeAfter(this.#reply, this.#replyTimeout);
  }
}

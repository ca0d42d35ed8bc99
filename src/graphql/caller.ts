/** Who asks for an operation, as the transport saw him, and the life that the operation runs in. */
import type { Life } from "../session/life.ts";
import type { RefusalReason } from "../session/reasons.ts";
import type { Device, Session } from "../session/session.ts";
import type { Authentication } from "../session/sessions.ts";
import type { Claims } from "../session/token.ts";

/** How long it lasts: as a stream does, or as a request that is slow to answer. */
export type Stay = "stream" | "slowRequest";

export interface CallerOptions {
  readonly authentication: Authentication;
  readonly device: Device;
  /** Of the socket or of the request; it has ended at the latest when the client leaves. */
  readonly life: Life;
  /** Puts the life under the session, or ends it; where that was not done when it began. */
  readonly join?: (stay: Stay) => Promise<void>;
  /** Called when the answer is to go out before the life's listeners are told of its end. */
  readonly onLastWord?: () => void;
  /** Called when the operation renewed a session, whose new tokens are its answer. */
  readonly onRenewed?: (session: Session) => void;
  /** Called once, when the operation was answered or its stream is closed. */
  readonly onDone?: () => void;
  /** Logs why the caller is not signed in. */
  readonly noteRefusal: (reason: RefusalReason, claims?: Claims) => void;
}

export class Caller {
  readonly authentication: Authentication;
  readonly device: Device;
  readonly life: Life;
  readonly noteRefusal: CallerOptions["noteRefusal"];
  /** By `performance.now`. */
  readonly #since = performance.now();
  readonly #join: CallerOptions["join"];
  readonly #onLastWord: CallerOptions["onLastWord"];
  readonly #onRenewed: CallerOptions["onRenewed"];
  #onDone: CallerOptions["onDone"];
  #joinedAs: Stay | undefined;
  #joined: Promise<void> | undefined;
  #hasLastWord = false;

  constructor(options: CallerOptions) {
    this.authentication = options.authentication;
    this.device = options.device;
    this.life = options.life;
    this.noteRefusal = options.noteRefusal;
    this.#join = options.join;
    this.#onLastWord = options.onLastWord;
    this.#onRenewed = options.onRenewed;
    this.#onDone = options.onDone;
  }

  /** Milliseconds since it was known who asks. */
  get age(): number {
    return performance.now() - this.#since;
  }

  /** For operations that last: afterwards the life ends with the session, or has ended. */
  async join(stay: Stay): Promise<void> {
    // A request that was slow may turn out to be a stream, and then joins as one.
    if (this.#joinedAs !== stay && this.#joinedAs !== "stream") {
      this.#joinedAs = stay;
      this.#joined = this.#join?.(stay);
    }
    await this.#joined;
  }

  done(): void {
    const onDone = this.#onDone;
    this.#onDone = undefined;
    onDone?.();
  }

  /** The client has the newest token of that session by this operation. */
  renewed(session: Session): void {
    this.#onRenewed?.(session);
  }

  /** Of all answers only that of the operation that ends its own session goes out after the end. */
  get hasLastWord(): boolean {
    return this.#hasLastWord;
  }

  takeLastWord(): void {
    if (this.#hasLastWord) return;
    this.#hasLastWord = true;
    this.life.hold();
    this.#onLastWord?.();
  }
}

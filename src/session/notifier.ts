/** Publishes every change of a session: to listeners on this node first, then to the other nodes, unless the store has. */
import { callSafely, type ReportError } from "../lib/report-error.ts";
import {
  endsTopic,
  sessionTopic,
  userTopic,
  type EndsMessage,
  type SessionMessage,
  type UserMessage,
} from "./messages.ts";
import type { Session } from "./session.ts";
import type { PubSub } from "./pubsub.ts";

export class SessionNotifier {
  readonly #pubsub: PubSub;
  readonly #reportError: ReportError;
  readonly #localListeners = new Set<(message: SessionMessage) => void>();

  constructor(pubsub: PubSub, reportError: ReportError) {
    this.#pubsub = pubsub;
    this.#reportError = reportError;
  }

  /** Calls the listener before each message is published. Returns a function that removes it. */
  onLocalChange(listener: (message: SessionMessage) => void): () => void {
    this.#localListeners.add(listener);
    return () => this.#localListeners.delete(listener);
  }

  /** @param isPublished whether the store has published the change to the other nodes */
  async change(message: SessionMessage, isPublished = false): Promise<void> {
    const report = (error: unknown) =>
      this.#reportError("a local listener of session changes failed", error);
    for (const listener of this.#localListeners) callSafely(() => listener(message), report);
    if (isPublished) return;
    const publishing = this.#publish(sessionTopic(message.fingerprint), message);
    if (message.type !== "ended") return publishing;
    const { type, fingerprint, reason, at = 0 } = message;
    await Promise.all([publishing, this.#publish(endsTopic, { type, fingerprint, reason, at })]);
  }

  async start(session: Session): Promise<void> {
    await this.#publish(userTopic(session.userId), { type: "started", session });
  }

  /** The store has the change already, and every node rechecks it: a lost message delays it but does not lose it. */
  async #publish(
    topic: string,
    message: SessionMessage | UserMessage | EndsMessage,
  ): Promise<void> {
    try {
      await this.#pubsub.publish(topic, message);
    } catch (error) {
      this.#reportError("a message to the other nodes was not sent", error);
    }
  }
}

/** Tells of every change of a session: this node, which carries it out itself, and then the others. */
import { callSafely, type ReportError } from "../lib/report-error.ts";
import { sessionTopic, userTopic, type SessionMessage, type UserMessage } from "./messages.ts";
import type { Session } from "./session.ts";
import type { PubSub } from "./pubsub.ts";

export class SessionNotifier {
  readonly #pubsub: PubSub;
  readonly #reportError: ReportError;
  readonly #witnesses = new Set<(message: SessionMessage) => void>();

  constructor(pubsub: PubSub, reportError: ReportError) {
    this.#pubsub = pubsub;
    this.#reportError = reportError;
  }

  /** Calls back before each message is published. */
  onLocalChange(listener: (message: SessionMessage) => void): () => void {
    this.#witnesses.add(listener);
    return () => this.#witnesses.delete(listener);
  }

  async change(message: SessionMessage): Promise<void> {
    const tell = (error: unknown) =>
      this.#reportError("a witness of a session's change failed", error);
    for (const listener of this.#witnesses) callSafely(() => listener(message), tell);
    await this.#publish(sessionTopic(message.fingerprint), message);
  }

  async start(session: Session): Promise<void> {
    await this.#publish(userTopic(session.userId), { type: "started", session });
  }

  /** The store has the change already, and every node rechecks: a lost message costs time, not truth. */
  async #publish(topic: string, message: SessionMessage | UserMessage): Promise<void> {
    try {
      await this.#pubsub.publish(topic, message);
    } catch (error) {
      this.#reportError("a message to the other nodes was not sent", error);
    }
  }
}

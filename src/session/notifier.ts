/** Tells of every change of a session: this node, which carries it out itself, and then the others. */
import { safely, type OnFault } from "../lib/report-error.ts";
import { sessionTopic, userTopic, type SessionMessage, type UserMessage } from "./messages.ts";
import type { Session } from "./session.ts";
import type { Topics } from "./pubsub.ts";

export class Announcements {
  readonly #topics: Topics;
  readonly #onFault: OnFault;
  readonly #witnesses = new Set<(message: SessionMessage) => void>();

  constructor(topics: Topics, onFault: OnFault) {
    this.#topics = topics;
    this.#onFault = onFault;
  }

  /** Calls back before each message is published. */
  witness(listener: (message: SessionMessage) => void): () => void {
    this.#witnesses.add(listener);
    return () => this.#witnesses.delete(listener);
  }

  async change(message: SessionMessage): Promise<void> {
    const tell = (error: unknown) => this.#onFault("a witness of a session's change failed", error);
    for (const listener of this.#witnesses) safely(() => listener(message), tell);
    await this.#publish(sessionTopic(message.fingerprint), message);
  }

  async start(session: Session): Promise<void> {
    await this.#publish(userTopic(session.userId), { type: "started", session });
  }

  /** The store has the change already, and every node rechecks: a lost message costs time, not truth. */
  async #publish(topic: string, message: SessionMessage | UserMessage): Promise<void> {
    try {
      await this.#topics.publish(topic, message);
    } catch (error) {
      this.#onFault("a message to the other nodes was not sent", error);
    }
  }
}

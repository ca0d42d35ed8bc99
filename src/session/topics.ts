/** The port that carries messages between nodes, the messages themselves, and what they are called. */
import type { EndReason } from "./reasons.ts";
import type { Session } from "./session.ts";

export type Listener = (message: unknown) => void;
export type Unsubscribe = () => void;

/**
 * Messages by topic, at most once, to every listener on every node. A message is anything that JSON
 * can carry; listeners get it after that passage and do not share it with the sender.
 *
 * - A listener that throws disturbs neither the others nor the publisher.
 * - Messages may be lost when a link to the outside breaks; `onGap` tells afterwards, when all
 *   topics are subscribed again.
 */
export interface Topics {
  /**
   * Resolves once every later message reaches the listener. Rejects with `StoreUnavailable` when that
   * cannot be had in time; then nothing is left behind.
   */
  subscribe(topic: string, listener: Listener): Promise<Unsubscribe>;
  /** Resolves when the message is handed on; rejects with `StoreUnavailable` when it may be lost. */
  publish(topic: string, message: unknown): Promise<void>;
  /** Calls back after each gap in which messages may have been lost. */
  onGap(listener: () => void): Unsubscribe;
  close(): Promise<void>;
}

/** Where everything about one session is said; by its fingerprint. */
export function sessionTopic(fingerprint: string): string {
  return `curfew:session:${fingerprint}`;
}

/** Where a user's new sessions are announced. */
export function userTopic(userId: string): string {
  return `curfew:user:${userId}`;
}

/** What is said on a session's topic. */
export type SessionMessage =
  | { readonly type: "renewed"; readonly session: Session }
  | { readonly type: "ended"; readonly session: Session; readonly reason: EndReason };

/** What is said on a user's topic. */
export type UserMessage = { readonly type: "started"; readonly session: Session };

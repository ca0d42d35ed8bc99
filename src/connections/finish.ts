/** Closes connections retryably, without losing the answers that are running on them. */
import type { CloseReason } from "../protocol/close-reasons.ts";
import type { ConnectionLifecycle } from "./lifecycle.ts";
import type { Connection } from "./session-connections.ts";
import type { CloseQueue } from "./close-queue.ts";

/** Milliseconds that running answers have to go out before their connection closes retryably. */
export const answerTimeout = 10_000;

/** Endings after which graphql-ws's client comes back by itself. */
export type Retryable = Extract<CloseReason, "SESSION_EXPIRED" | "TRY_AGAIN_LATER">;

export interface CloseOptions {
  /** Whether their token is not accepted any more: then no guarded field begins meanwhile. */
  readonly isRevoked?: boolean;
}

/**
 * Closes each when its running answers have gone out, or after {@link answerTimeout}: graphql-ws's client sends again
 * what was not answered, and a mutation would be carried out twice. From the call on nothing new is accepted.
 */
export function closeAfterAnswers(
  members: readonly Connection[],
  ending: Retryable,
  slices: CloseQueue,
  { isRevoked = false }: CloseOptions = {},
): void {
  const idle: ConnectionLifecycle[] = [];
  for (const { lifecycle, expiresAt } of members) {
    // A request is being answered for as long as it is there.
    if (lifecycle.isAnswering || expiresAt === Infinity) finishOne(lifecycle, ending, isRevoked);
    else idle.push(lifecycle);
  }
  slices.close(idle, ending);
}

function finishOne(lifecycle: ConnectionLifecycle, ending: Retryable, isRevoked: boolean): void {
  const isFirst = lifecycle.closingFor === undefined;
  lifecycle.closeAfterAnswers(ending, isRevoked);
  if (!isFirst) return;
  const timer = setTimeout(() => lifecycle.end(ending), answerTimeout);
  lifecycle.onEnd(() => clearTimeout(timer));
}

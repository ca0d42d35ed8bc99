/** Closes connections retryably, without losing the answers that are running on them. */
import type { Ending, Life } from "./lifecycle.ts";
import type { Member } from "./session-connections.ts";
import type { Slices } from "./close-queue.ts";

/** Milliseconds that running answers have to go out before their connection closes retryably. */
export const answerTime = 10_000;

/** Endings after which graphql-ws's client comes back by itself. */
export type Retryable = Extract<Ending, "EXPIRED" | "UNAVAILABLE">;

export interface FinishOptions {
  /** Whether their token is not accepted any more: then no guarded field begins meanwhile. */
  readonly isRevoked?: boolean;
}

/**
 * Closes each when its running answers have gone out, or after {@link answerTime}: graphql-ws's client sends again
 * what was not answered, and a mutation would be carried out twice. From the call on nothing new is accepted.
 */
export function finish(
  members: readonly Member[],
  ending: Retryable,
  slices: Slices,
  { isRevoked = false }: FinishOptions = {},
): void {
  const idle: Life[] = [];
  for (const { life, expiresAt } of members) {
    // A request is being answered for as long as it is there.
    if (life.isAnswering || expiresAt === Infinity) finishOne(life, ending, isRevoked);
    else idle.push(life);
  }
  slices.end(idle, ending);
}

function finishOne(life: Life, ending: Retryable, isRevoked: boolean): void {
  const isFirst = life.closing === undefined;
  life.finish(ending, isRevoked);
  if (!isFirst) return;
  const timer = setTimeout(() => life.end(ending), answerTime);
  life.onEnd(() => clearTimeout(timer));
}

/** Tries at the start what a node needs of Redis, and reports what is missing. */
import { setTimeout as pause } from "node:timers/promises";
import { timeoutsAtStart, type RedisLimits } from "./client.ts";
import type { Refusal } from "./rights.ts";

export const noAnswer = "Redis did not answer in time";
export const unheard = "messages that Redis accepted did not arrive";

/** Whether a message that was published through each master has arrived. */
export type DeliveryResult = "delivered" | "not yet" | { readonly refusal: string };

export interface StartTrial {
  readonly serverName: string;
  readonly limits: RedisLimits;
  readonly isReplica: () => Promise<boolean>;
  readonly tryRights: () => Promise<Refusal | undefined>;
  readonly deliver: () => Promise<DeliveryResult>;
}

const readOnly = "it is a replica, which accepts no writes. Set the address of the master";

/** Between two attempts (ms). */
const retryInterval = 20;

/**
 * Resolves to what Redis refuses only at present, for example because its memory is full: that does not stop a start.
 *
 * @throws {Error} if the server is a replica, refuses something, does not answer or does not deliver messages
 */
export async function tryAtStart(trial: StartTrial): Promise<Refusal | undefined> {
  const fail = (cause: string): never => {
    throw new Error(`${trial.serverName} cannot be used: ${cause}`);
  };
  const deadline = performance.now() + timeoutsAtStart * trial.limits.commandTimeout;
  if (await trial.isReplica()) fail(readOnly);
  const refusal = await retryUntil(deadline, trial.tryRights).catch(() => fail(noAnswer));
  if (refusal?.cause.includes("READONLY")) fail(readOnly);
  if (refusal?.isTemporary === false) fail(withAdvice(refusal.cause));
  let result = await trial.deliver();
  while (result === "not yet" && performance.now() < deadline) {
    await pause(retryInterval);
    result = await trial.deliver();
  }
  if (result === "not yet") fail(unheard);
  else if (result !== "delivered") fail(withAdvice(result.refusal));
  return refusal;
}

function withAdvice(cause: string): string {
  return `${cause}. The rights that Curfew needs are in docs/operations.md`;
}

/** Repeats the work until it resolves, at least once. */
async function retryUntil<T>(deadline: number, work: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await work();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await pause(retryInterval);
    }
}

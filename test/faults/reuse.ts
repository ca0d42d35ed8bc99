/** The one accepted case in which an honest client's session ends by token reuse. */
import type { Entry, Invoke, Op } from "./trace.ts";

/**
 * Computes from which time on each session may end by reuse. A client that loses the response to a renewal
 * retries it. If the first attempt may have succeeded more than the grace period before a retry is executed,
 * the server rightly treats the retry as reuse; any earlier end is a fault.
 *
 * A request that cannot have reached the store before an outage is executed after it or never. No request is
 * executed after its response, even a response that leaves the outcome unknown.
 *
 * @returns milliseconds of the trace's clock, by session
 */
export function acceptedReuses(
  entries: readonly Entry[],
  ops: readonly Op[],
  grace: number,
): ReadonlyMap<string, number> {
  const outages = entries.filter((entry) => entry.kind === "outage");
  const latencies = entries.filter((entry) => entry.kind === "slow");
  const earliestExecution = ({ node, at }: Invoke) => {
    const arrival = at + (latencies.findLast((latency) => latency.at <= at)?.by ?? 0);
    const pending = outages.filter(
      (o) => o.nodes.includes(node) && o.at <= arrival && arrival < o.until,
    );
    return Math.max(arrival, ...pending.map(({ until }) => until));
  };
  const accepted = new Map<string, number>();
  const renewals = ops.filter(({ begun }) => begun.name === "renew");
  const attemptsByGeneration = Map.groupBy(
    renewals,
    ({ begun }) => `${begun.session} ${begun.generation}`,
  );
  for (const attempts of attemptsByGeneration.values())
    for (const first of attempts)
      for (const later of attempts) {
        const { session = "" } = first.begun;
        const from = earliestExecution(first.begun) + grace;
        if (first === later || (later.done?.at ?? Infinity) <= from) continue;
        accepted.set(session, Math.min(from, accepted.get(session) ?? Infinity));
      }
  return accepted;
}

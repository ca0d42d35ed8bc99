/** The one way in which an honest client's session may end by the reuse of a renewal token. */
import type { Entry, Invoke, Op } from "./trace.ts";

/**
 * A client whose answer was lost asks again until it has one. Where its first ask may have been carried
 * out more than the grace before a later one was, the later one is a reuse by contract, and nothing else
 * is: what ends a session sooner is a fault. By session, the moment from which that may be.
 *
 * What cannot have reached the store before it was away is carried out when it is back, or not at all; and
 * nothing is after it was answered, if only to say that the outcome is unknown.
 */
export function reuseExcusedFrom(
  entries: readonly Entry[],
  ops: readonly Op[],
  grace: number,
): ReadonlyMap<string, number> {
  const outages = entries.filter((entry) => entry.kind === "outage");
  const slowness = entries.filter((entry) => entry.kind === "slow");
  const notBefore = ({ node, at }: Invoke) => {
    const there = at + (slowness.findLast((slow) => slow.at <= at)?.by ?? 0);
    const away = outages.filter((o) => o.nodes.includes(node) && o.at <= there && there < o.until);
    return Math.max(there, ...away.map(({ until }) => until));
  };
  const excused = new Map<string, number>();
  const renewals = ops.filter(({ begun }) => begun.name === "renew");
  const steps = Map.groupBy(renewals, ({ begun }) => `${begun.session} ${begun.generation}`);
  for (const asks of steps.values())
    for (const first of asks)
      for (const later of asks) {
        const { session = "" } = first.begun;
        const from = notBefore(first.begun) + grace;
        if (first === later || (later.done?.at ?? Infinity) <= from) continue;
        excused.set(session, Math.min(from, excused.get(session) ?? Infinity));
      }
  return excused;
}

/** Checks a trace against the guarantees and reports each violation. */
import { delaysOf } from "./delays.ts";
import { acceptedReuses } from "./reuse.ts";
import type { Entry, Forgotten, Op, Operation, Outcome } from "./trace.ts";

/** The guarantees of a run (ms), not counting delays that the machine causes. */
export interface Bounds {
  /** From the end of a session, or the opening of a later connection, to the connection's close. */
  readonly end: number;
  /** The same, on the node that acknowledged the end. */
  readonly endOnSameNode: number;
  /** From the start of an outage to the close of all connections, if the outage lasts that long. */
  readonly outage: number;
  /** How long a used renewal token returns the same pair again. */
  readonly grace: number;
}

export type Rule =
  /** An operation succeeded that began after the acknowledged end. */
  | "ACCEPTED_AFTER_END"
  | "OPEN_PAST_BOUND"
  | "DELIVERED_PAST_BOUND"
  /** A connection stayed open in an outage longer than the grace period. */
  | "OPEN_IN_OUTAGE"
  /** Renewals of one generation returned different pairs. */
  | "TWO_SUCCESSORS"
  /** An honest client's renewal was treated as token reuse. */
  | "REUSED"
  /** A client received the end of a session that nothing had ended. */
  | "ENDED_WITHOUT_END"
  /** The same, while the store was unreachable. */
  | "ENDED_BY_OUTAGE"
  /** A refusal, error or close code that no run should produce. */
  | "UNEXPECTED";

export interface Violation {
  readonly rule: Rule;
  readonly at: number;
  readonly what: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** The longest time that a connection was open after its session's end, or in an outage (ms). */
  readonly worst: number;
  /** Number of ended sessions. */
  readonly ends: number;
  /** Number of connections that were open when their session ended. */
  readonly closes: number;
  /** Number of uses that were accepted while no node that was asked knew of the end. */
  readonly acceptedWhileForgotten: number;
  /** How long after the beginning of that time the last of them began (ms). */
  readonly lastAccepted: number;
}

interface Connection {
  readonly id: number;
  readonly session: string;
  readonly node: string;
  readonly opened: number;
  readonly closed: number;
}

/** When a session ended: not before `earliest`, and certainly by `latest`. */
interface End {
  earliest: number;
  latest: number;
}

const checked = new Set<Operation>(["renew", "use", "connect", "operation"]);
/** Refusals that an honest client may receive: an end, a newer token, or an unavailable store. */
const expected = new Set(["ENDED", "REUSED", "EXPIRED", "SUPERSEDED", "UNAVAILABLE"]);
const sessionEndedCode = 4401;
/** Closed by the client, connection lost, and the server's codes for an end, an expired token, a restart and an outage. */
const expectedCodes = new Set([1000, 1005, 1006, sessionEndedCode, 4403, 1012, 1013]);

export function check(entries: readonly Entry[], bounds: Bounds): Verdict {
  const violations: Violation[] = [];
  const report = (rule: Rule, at: number, what: string) => violations.push({ rule, at, what });
  const stop = Math.max(...entries.map(({ at }) => at));
  const ops = operationsOf(entries);
  const connections = connectionsOf(entries, ops, stop);
  const outages = entries.filter((entry) => entry.kind === "outage");
  const acceptedReuseFrom = acceptedReuses(entries, ops, bounds.grace);
  const ends = endsOf(entries, ops, connections, acceptedReuseFrom);
  const delayed = delaysOf(entries);
  const duration = (node: string, from: number, to: number) => to - from - delayed(node, from, to);
  const acknowledged = acknowledgementsOf(ops);
  const forgotten = forgottenOf(entries);
  let worst = 0;
  let closes = 0;
  let acceptedWhileForgotten = 0;
  let lastAccepted = 0;

  /** From when a connection may stay open no longer than the bound. */
  const mustCloseFrom = (session: string, opened: number) => {
    const { latest = Infinity } = ends.get(session) ?? {};
    const { at = Infinity, closesFrom = 0 } = forgotten.get(session) ?? {};
    return Math.max(latest, opened, opened < at ? 0 : closesFrom);
  };

  const reportUnlessEnded = (session: string, node: string, at: number, what: string) => {
    if ((ends.get(session)?.earliest ?? Infinity) <= at) return;
    const isOutage = outages.some((o) => o.nodes.includes(node) && o.at <= at && at <= o.until);
    report(
      isOutage ? "ENDED_BY_OUTAGE" : "ENDED_WITHOUT_END",
      at,
      `${what} of ${session} on ${node}`,
    );
  };

  const successors = new Map<string, string>();
  for (const { begun, done } of ops) {
    const { name, session, node } = begun;
    if (done?.reason !== undefined && !expected.has(done.reason))
      report("UNEXPECTED", done.at, `${name} ${begun.op} on ${node}: ${done.reason}`);
    if (done === undefined || session === undefined || !checked.has(name)) continue;
    const what = `${name} ${begun.op} of ${session} on ${node}`;
    if (done.kind === "ok" && begun.at > (ends.get(session)?.latest ?? Infinity)) {
      const { at = Infinity, until = -Infinity } = forgotten.get(session) ?? {};
      const passed = begun.at < at ? Infinity : duration(node, at, begun.at);
      if (passed <= until - at) {
        acceptedWhileForgotten += 1;
        lastAccepted = Math.max(lastAccepted, passed);
      } else report("ACCEPTED_AFTER_END", done.at, what);
    }
    if (done.reason === "REUSED" && (acceptedReuseFrom.get(session) ?? Infinity) > done.at)
      report("REUSED", done.at, what);
    if (done.reason === "ENDED") reportUnlessEnded(session, node, done.at, name);
    if (name !== "renew" || done.successor === undefined) continue;
    const generation = `${session} ${begun.generation}`;
    const first = successors.get(generation) ?? done.successor;
    successors.set(generation, first);
    if (first !== done.successor) report("TWO_SUCCESSORS", done.at, what);
  }

  for (const { id, session, node, opened, closed } of connections) {
    const what = `connection ${id} of ${session} on ${node}`;
    const since = mustCloseFrom(session, opened);
    if (closed >= since) {
      closes += 1;
      worst = Math.max(worst, duration(node, since, closed));
      const isReopened = opened >= (forgotten.get(session)?.at ?? Infinity);
      const ackedHere = isReopened
        ? Infinity
        : Math.max(acknowledged.get(`${session} ${node}`) ?? Infinity, opened);
      if (
        duration(node, since, closed) > bounds.end ||
        duration(node, ackedHere, closed) > bounds.endOnSameNode
      )
        report("OPEN_PAST_BOUND", closed, what);
    }
    for (const { at, nodes, until } of outages) {
      const isAffected = nodes.includes(node) && opened < at && at < closed;
      if (!isAffected || until - at < bounds.outage) continue;
      worst = Math.max(worst, duration(node, at, Math.min(closed, until)));
      if (duration(node, at, closed) > bounds.outage) report("OPEN_IN_OUTAGE", closed, what);
    }
  }

  const byId = new Map(connections.map((connection) => [connection.id, connection]));
  for (const entry of entries) {
    if (entry.kind !== "delivery" && entry.kind !== "close") continue;
    const { session = "", node = "", opened = 0, closed = 0 } = byId.get(entry.connection) ?? {};
    const since = mustCloseFrom(session, opened);
    const what = `connection ${entry.connection}`;
    if (entry.kind === "close") {
      if (entry.code === sessionEndedCode) reportUnlessEnded(session, node, entry.at, what);
      if (!expectedCodes.has(entry.code)) report("UNEXPECTED", entry.at, `${what}: ${entry.code}`);
    } else if (duration(node, since, entry.at) > bounds.end || entry.at > closed)
      report("DELIVERED_PAST_BOUND", entry.at, `${what} of ${session} on ${node}`);
  }
  return { violations, worst, ends: ends.size, closes, acceptedWhileForgotten, lastAccepted };
}

/** By session. */
function forgottenOf(entries: readonly Entry[]): ReadonlyMap<string, Forgotten> {
  return new Map(
    entries.flatMap((entry) =>
      entry.kind === "forgotten" ? entry.sessions.map((session) => [session, entry] as const) : [],
    ),
  );
}

function operationsOf(entries: readonly Entry[]): Op[] {
  const outcomes = new Map<number, Outcome>();
  for (const entry of entries)
    if (entry.kind === "ok" || entry.kind === "fail" || entry.kind === "unknown")
      outcomes.set(entry.op, entry);
  return entries
    .filter((entry) => entry.kind === "invoke")
    .map((begun) => ({ begun, done: outcomes.get(begun.op) }));
}

/** When each node acknowledged the end of each session. */
function acknowledgementsOf(ops: readonly Op[]): ReadonlyMap<string, number> {
  const acknowledged = new Map<string, number>();
  for (const { begun, done } of ops) {
    if (begun.name !== "logout" || done?.kind !== "ok") continue;
    const key = `${begun.session} ${begun.node}`;
    acknowledged.set(key, Math.min(done.at, acknowledged.get(key) ?? Infinity));
  }
  return acknowledged;
}

/** A connection without a close in the trace was open to its end. */
function connectionsOf(
  entries: readonly Entry[],
  ops: readonly Op[],
  stop: number,
): readonly Connection[] {
  const closes = new Map<number, number>();
  for (const entry of entries) if (entry.kind === "close") closes.set(entry.connection, entry.at);
  return ops.flatMap(({ begun: { session, node }, done }) =>
    done?.connection === undefined || session === undefined
      ? []
      : [
          {
            id: done.connection,
            session,
            node,
            opened: done.opened ?? done.at,
            closed: closes.get(done.connection) ?? stop,
          },
        ],
  );
}

/** When all sessions ended: not before the first time, and those of before certainly by the second. */
function allEnded(entries: readonly Entry[]): readonly (readonly [from: number, by: number])[] {
  return entries.flatMap((entry) => {
    if (entry.kind === "wiped") return [[entry.at, entry.at] as const];
    return entry.kind === "everybodyEnded" ? [[entry.at, entry.until] as const] : [];
  });
}

/**
 * Computes when each session ended. A session may have ended from the first request to end it. It has ended
 * when the end is acknowledged or when any client receives it: no session may return after that.
 */
function endsOf(
  entries: readonly Entry[],
  ops: readonly Op[],
  connections: readonly Connection[],
  acceptedReuseFrom: ReadonlyMap<string, number>,
): ReadonlyMap<string, End> {
  const ends = new Map<string, End>();
  const mayEndFrom = (session: string, at: number) => {
    const end = ends.get(session) ?? { earliest: Infinity, latest: Infinity };
    end.earliest = Math.min(end.earliest, at);
    ends.set(session, end);
  };
  const hasEndedBy = (session: string, at: number) => {
    const end = ends.get(session);
    if (end !== undefined) end.latest = Math.min(end.latest, at);
  };

  for (const { begun, done } of ops)
    if (begun.name === "logout" && begun.session !== undefined && done?.kind !== "fail") {
      mayEndFrom(begun.session, begun.at);
      if (done?.kind === "ok") hasEndedBy(begun.session, done.at);
    }
  for (const [from, by] of allEnded(entries))
    for (const { begun, done } of ops) {
      if (begun.name !== "login" || done?.session === undefined || begun.at > by) continue;
      mayEndFrom(done.session, from);
      if (done.at < from) hasEndedBy(done.session, by);
    }
  for (const [session, at] of acceptedReuseFrom) mayEndFrom(session, at);
  for (const { begun, done } of ops)
    if ((done?.reason === "ENDED" || done?.reason === "REUSED") && begun.session !== undefined)
      hasEndedBy(begun.session, done.at);
  const sessions = new Map(connections.map(({ id, session }) => [id, session]));
  for (const entry of entries)
    if (entry.kind === "close" && entry.code === sessionEndedCode)
      hasEndedBy(sessions.get(entry.connection) ?? "", entry.at);
  return ends;
}

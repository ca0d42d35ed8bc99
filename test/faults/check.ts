/** Proves from a trace that the promise was kept, or says where it was broken. */
import { delaysOf } from "./delays.ts";
import { reuseExcusedFrom } from "./reuse.ts";
import type { Entry, Op, Operation, Outcome } from "./trace.ts";

/** What is promised of a run, in milliseconds; apart from those for which the machine held it up. */
export interface Bounds {
  /** From the end of a session, or from the opening of a connection at that moment, to its close. */
  readonly end: number;
  /** The same, on a node that itself acknowledged the end. */
  readonly own: number;
  /** From the beginning of an outage to the close of all connections, if it lasts so long. */
  readonly outage: number;
  /** How long a used renewal token gives the same pair again. */
  readonly grace: number;
}

export type Rule =
  /** An operation that began after the end had been acknowledged succeeded. */
  | "ACCEPTED_AFTER_END"
  | "OPEN_PAST_BOUND"
  | "DELIVERED_PAST_BOUND"
  /** A connection outlived an outage that was longer than the grace. */
  | "OPEN_IN_OUTAGE"
  /** One generation was renewed to different pairs. */
  | "TWO_SUCCESSORS"
  /** An honest client was taken for a thief. */
  | "REUSED"
  /** A client was told that its session had ended, and nobody had ended it. */
  | "ENDED_WITHOUT_END"
  /** The same, while the store could not be asked. */
  | "ENDED_BY_OUTAGE"
  /** A refusal that nothing in a run should lead to. */
  | "UNEXPECTED";

export interface Violation {
  readonly rule: Rule;
  readonly at: number;
  readonly what: string;
}

export interface Verdict {
  readonly violations: readonly Violation[];
  /** The longest that a connection was open after the end of its session, or in an outage. */
  readonly worst: number;
  /** How many sessions ended, and how many connections of theirs were open then. */
  readonly ends: number;
  readonly closes: number;
}

interface Connection {
  readonly id: number;
  readonly session: string;
  readonly node: string;
  readonly opened: number;
  readonly closed: number;
}

/** When a session ended: not before the one, and for certain at the other. */
interface End {
  earliest: number;
  latest: number;
}

const checked = new Set<Operation>(["renew", "use", "connect", "operation"]);
/** What an honest client may be told: besides an end, that there is a fresher token, and to come back. */
const expected = new Set(["ENDED", "REUSED", "EXPIRED", "SUPERSEDED", "UNAVAILABLE"]);
const signedOut = 4401;
/** Closed by itself, cut, and what the server says of an end, a token that ran out, an outage and a restart. */
const expectedCodes = new Set([1000, 1005, 1006, signedOut, 4403, 1012, 1013]);

export function check(entries: readonly Entry[], bounds: Bounds): Verdict {
  const violations: Violation[] = [];
  const accuse = (rule: Rule, at: number, what: string) => violations.push({ rule, at, what });
  const stop = Math.max(...entries.map(({ at }) => at));
  const ops = operationsOf(entries);
  const connections = connectionsOf(entries, ops, stop);
  const outages = entries.filter((entry) => entry.kind === "outage");
  const excused = reuseExcusedFrom(entries, ops, bounds.grace);
  const ends = endsOf(entries, ops, connections, excused);
  const delayed = delaysOf(entries);
  const lasted = (node: string, from: number, to: number) => to - from - delayed(node, from, to);
  const acknowledged = acknowledgementsOf(ops);
  let worst = 0;
  let closes = 0;

  const unfounded = (session: string, node: string, at: number, what: string) => {
    if ((ends.get(session)?.earliest ?? Infinity) <= at) return;
    const out = outages.some((o) => o.nodes.includes(node) && o.at <= at && at <= o.until);
    accuse(out ? "ENDED_BY_OUTAGE" : "ENDED_WITHOUT_END", at, `${what} of ${session} on ${node}`);
  };

  const successors = new Map<string, string>();
  for (const { begun, done } of ops) {
    const { name, session, node } = begun;
    if (done?.reason !== undefined && !expected.has(done.reason))
      accuse("UNEXPECTED", done.at, `${name} ${begun.op} on ${node}: ${done.reason}`);
    if (done === undefined || session === undefined || !checked.has(name)) continue;
    const what = `${name} ${begun.op} of ${session} on ${node}`;
    if (done.kind === "ok" && begun.at > (ends.get(session)?.latest ?? Infinity))
      accuse("ACCEPTED_AFTER_END", done.at, what);
    if (done.reason === "REUSED" && (excused.get(session) ?? Infinity) > done.at)
      accuse("REUSED", done.at, what);
    if (done.reason === "ENDED") unfounded(session, node, done.at, name);
    if (name !== "renew" || done.successor === undefined) continue;
    const step = `${session} ${begun.generation}`;
    const first = successors.get(step) ?? done.successor;
    successors.set(step, first);
    if (first !== done.successor) accuse("TWO_SUCCESSORS", done.at, what);
  }

  for (const { id, session, node, opened, closed } of connections) {
    const what = `connection ${id} of ${session} on ${node}`;
    const since = Math.max(ends.get(session)?.latest ?? Infinity, opened);
    if (closed >= since) {
      closes += 1;
      worst = Math.max(worst, lasted(node, since, closed));
      const own = Math.max(acknowledged.get(`${session} ${node}`) ?? Infinity, opened);
      if (lasted(node, since, closed) > bounds.end || lasted(node, own, closed) > bounds.own)
        accuse("OPEN_PAST_BOUND", closed, what);
    }
    for (const { at, nodes, until } of outages) {
      const here = nodes.includes(node) && opened < at && at < closed;
      if (!here || until - at < bounds.outage) continue;
      worst = Math.max(worst, lasted(node, at, Math.min(closed, until)));
      if (lasted(node, at, closed) > bounds.outage) accuse("OPEN_IN_OUTAGE", closed, what);
    }
  }

  const byId = new Map(connections.map((connection) => [connection.id, connection]));
  for (const entry of entries) {
    if (entry.kind !== "delivery" && entry.kind !== "close") continue;
    const { session = "", node = "", opened = 0, closed = 0 } = byId.get(entry.connection) ?? {};
    const since = Math.max(ends.get(session)?.latest ?? Infinity, opened);
    const what = `connection ${entry.connection}`;
    if (entry.kind === "close") {
      if (entry.code === signedOut) unfounded(session, node, entry.at, what);
      if (!expectedCodes.has(entry.code)) accuse("UNEXPECTED", entry.at, `${what}: ${entry.code}`);
    } else if (lasted(node, since, entry.at) > bounds.end || entry.at > closed)
      accuse("DELIVERED_PAST_BOUND", entry.at, `${what} of ${session} on ${node}`);
  }
  return { violations, worst, ends: ends.size, closes };
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

/** By session and node, when an end was acknowledged there. */
function acknowledgementsOf(ops: readonly Op[]): ReadonlyMap<string, number> {
  const acknowledged = new Map<string, number>();
  for (const { begun, done } of ops) {
    if (begun.name !== "logout" || done?.kind !== "ok") continue;
    const place = `${begun.session} ${begun.node}`;
    acknowledged.set(place, Math.min(done.at, acknowledged.get(place) ?? Infinity));
  }
  return acknowledged;
}

/** What the trace does not see closing was open to its end. */
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

/**
 * A session may have ended from the moment that somebody asked for it. It has ended when that was
 * acknowledged, or when somebody was told so: nothing that was seen to be over may be seen again.
 */
function endsOf(
  entries: readonly Entry[],
  ops: readonly Op[],
  connections: readonly Connection[],
  excused: ReadonlyMap<string, number>,
): ReadonlyMap<string, End> {
  const ends = new Map<string, End>();
  const begins = (session: string, at: number) => {
    const end = ends.get(session) ?? { earliest: Infinity, latest: Infinity };
    end.earliest = Math.min(end.earliest, at);
    ends.set(session, end);
  };
  const isOver = (session: string, at: number) => {
    const end = ends.get(session);
    if (end !== undefined) end.latest = Math.min(end.latest, at);
  };

  for (const { begun, done } of ops)
    if (begun.name === "logout" && begun.session !== undefined && done?.kind !== "fail") {
      begins(begun.session, begun.at);
      if (done?.kind === "ok") isOver(begun.session, done.at);
    }
  for (const wiped of entries.filter((entry) => entry.kind === "wiped"))
    for (const { begun, done } of ops) {
      if (begun.name !== "login" || done?.session === undefined || begun.at > wiped.at) continue;
      begins(done.session, wiped.at);
      if (done.at < wiped.at) isOver(done.session, wiped.at);
    }
  for (const [session, at] of excused) begins(session, at);
  for (const { begun, done } of ops)
    if ((done?.reason === "ENDED" || done?.reason === "REUSED") && begun.session !== undefined)
      isOver(begun.session, done.at);
  const sessions = new Map(connections.map(({ id, session }) => [id, session]));
  for (const entry of entries)
    if (entry.kind === "close" && entry.code === signedOut)
      isOver(sessions.get(entry.connection) ?? "", entry.at);
  return ends;
}

/** The operator's command: lists and ends sessions, locks and deletes users, and tells all nodes at once. */
import { randomBytes } from "node:crypto";
import { pino } from "pino";
import { auditTrail } from "../telemetry/audit-log.ts";
import type { Options } from "../config/load.ts";
import {
  existingRing,
  lifetimesOf,
  openExistingBackends,
  type ExistingBackends,
} from "../node/backends.ts";
import { misused, type Command } from "./command.ts";
import { messageOf, moment, noData, table } from "./report.ts";
import type { KeyRing } from "../session/keys.ts";
import type { Session } from "../session/session.ts";
import { Sessions } from "../session/sessions.ts";
import { Administration } from "../users/administration.ts";

export const adminUsage = `Usage: curfew admin [options] <command> <argument>
  sessions <user>       lists a user's sessions
  end-session <id>      ends a session
  end-sessions <user>   ends all of a user's sessions; he may sign in again
  lock <user>           lets a user sign in no more, and ends all of his sessions
  unlock <user>         lets him sign in again
  delete <user>         removes a user, and ends all of his sessions
A user is given by e-mail address or id; an id that begins with -- goes after a --. Connections close at once, on all nodes.
The settings are the server's own: DATA_DIR, CURFEW_SECRETS, DATABASE_URL, REDIS_….
What was done is in the audit trail, on standard error.
Exits with 0 when it is done, 1 when there is no such user or session, 2 when it could not be done.`;

const verbs = ["sessions", "end-session", "end-sessions", "lock", "unlock", "delete"] as const;

type Verb = (typeof verbs)[number];

/** What to print, and whether there was anything to do it to. */
interface Answer {
  readonly text: string;
  readonly found: boolean;
}

export const administrate: Command = async (operands, load) => {
  const [name, argument = "", ...others] = operands;
  const verb = verbs.find((one) => one === name);
  if (verb === undefined || argument === "" || others.length > 0) return misused(adminUsage);
  const { text, found } = await administer(verb, argument, load());
  console.log(text);
  return found ? 0 : 1;
};

async function administer(verb: Verb, argument: string, options: Options): Promise<Answer> {
  const ring = await existingRing(options);
  const parts = await openExistingBackends(options);
  try {
    if (ring === undefined || parts === undefined)
      throw new Error(`Not done: ${noData(options.dataDir)}`);
    return await carryOut(verb, argument, await assemble(ring, parts, options));
  } finally {
    await parts?.close();
  }
}

/** What a server would do it with; it tells the nodes of it as another node would. */
async function assemble(ring: KeyRing, parts: ExistingBackends, options: Options) {
  const { store, users } = parts;
  const reportError = (what: string, error: unknown) =>
    console.error(`Done, but ${what}: ${messageOf(error)}`);
  const clock = Date.now;
  // What an operator did is written down, however little the servers log.
  const logger = pino(pino.destination({ fd: 2, sync: true }));
  const audit = auditTrail({ logger, clock, reportError });
  const sessions = new Sessions({
    store,
    pubsub: await parts.pubsub(reportError),
    ring,
    lifetimes: lifetimesOf(options),
    isUserDisabled: async (id) => (await users?.byId(id))?.locked ?? true,
    clock,
    randomBytes,
    reportError,
    audit,
  });
  return new Administration({ users, sessions, audit });
}

async function carryOut(verb: Verb, argument: string, admin: Administration) {
  if (verb === "end-session") {
    const found = (await admin.endSession(argument)) > 0;
    const text = found ? `Ended session ${argument}.` : `There is no live session ${argument}.`;
    return { text, found };
  }
  const user = await admin.find(argument);
  // Of one who was deleted there may be sessions left, and his id is known.
  const id = user?.id ?? argument;
  const name = user === undefined ? argument : `${user.email} (${id})`;
  try {
    const { text, count } = await serve(verb, id, name, admin);
    const found = user !== undefined || count > 0;
    return { text: found ? text : `There is no user ${argument}.`, found };
  } catch (error) {
    const what =
      verb === "sessions"
        ? "The sessions cannot be listed"
        : `Not all of it was done; do it again, for ${id}`;
    throw new Error(what, { cause: error });
  }
}

/** What it says of a user who is there, and how many sessions that concerns. */
async function serve(
  verb: Exclude<Verb, "end-session">,
  id: string,
  name: string,
  admin: Administration,
): Promise<{ readonly text: string; readonly count: number }> {
  switch (verb) {
    case "sessions": {
      const sessions = await admin.sessions(id);
      return { text: list(name, sessions, Date.now()), count: sessions.length };
    }
    case "end-sessions": {
      const count = await admin.endSessions(id);
      return { text: `${name}: ${ended(count)}.`, count };
    }
    case "lock": {
      const { found, endedSessions: count } = await admin.lock(id);
      return { text: `${found ? "Locked " : ""}${name}; ${ended(count)}.`, count };
    }
    case "unlock":
      await admin.unlock(id);
      return { text: `Unlocked ${name}.`, count: 0 };
    case "delete": {
      const { found, endedSessions: count } = await admin.delete(id);
      return { text: `${found ? "Deleted " : ""}${name}; ${ended(count)}.`, count };
    }
  }
}

function ended(count: number): string {
  return `ended ${sessionsIn(count)}`;
}

function sessionsIn(count: number): string {
  return count === 1 ? "1 session" : `${count} sessions`;
}

function list(name: string, sessions: readonly Session[], now: number): string {
  const blocks = sessions.map((session) =>
    [
      "",
      session.fingerprint,
      ...table([
        ["  created", moment(session.createdAt, now)],
        ["  renewed", session.generation === 0 ? "never" : moment(session.renewedAt, now)],
        ["  last seen", moment(session.lastSeenAt, now)],
        ["  expires", moment(session.idleExpiresAt, now)],
        ["  address", printable(session.ipAddress)],
        ["  user agent", printable(session.userAgent)],
      ]),
    ].join("\n"),
  );
  return [`${name}: ${sessionsIn(sessions.length)}`, ...blocks].join("\n");
}

/** What a client wrote itself may hold signs that a terminal obeys. */
function printable(text: string | null): string {
  return text?.replace(/\p{C}/gu, "\uFFFD") ?? "unknown";
}

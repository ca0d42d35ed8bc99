/** The command `admin` for operators: lists and ends sessions, locks and deletes users, on all nodes at once. */
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
import { messageOf, timeText, noData, formatTable } from "./report.ts";
import type { KeyRing } from "../session/keys.ts";
import type { Session } from "../session/session.ts";
import { Sessions } from "../session/sessions.ts";
import { statusOf } from "../users/accounts.ts";
import { Administration, type EverybodyEnded } from "../users/administration.ts";

export const adminUsage = `Usage: curfew admin [options] <command> [argument]
  sessions <user>       lists a user's sessions
  end-session <id>      ends one session
  end-sessions <user>   ends all sessions of a user, who may sign in again
  lock <user>           stops a user from signing in, and ends all of their sessions
  unlock <user>         allows a locked user to sign in again
  delete <user>         deletes a user, and ends all of their sessions
  end-everybody         ends all sessions of all users, who may sign in again; does not ask
<user> is an e-mail address or an id. Put -- before an id that begins with --. Connections close at once, on all nodes.
Use the same settings as the server: DATA_DIR, CURFEW_SECRETS, DATABASE_URL, REDIS_….
Writes the audit trail of its actions to standard error.
Exits with 0 if the command succeeded, 1 if there is no such user or session, 2 if the command failed.`;

const actions = ["sessions", "end-session", "end-sessions", "lock", "unlock", "delete"] as const;
const everybody = "end-everybody";

/** Time between two lines of progress (ms). */
const progressInterval = 3_000;

type Action = (typeof actions)[number];

/** The text to print, and the exit code. */
interface Outcome {
  readonly text: string;
  readonly code: 0 | 1 | 2;
}

export const administrate: Command = async (operands, load) => {
  const [name, argument = "", ...others] = operands;
  if (name === everybody && operands.length === 1) return report(endEverybody, load());
  const action = actions.find((one) => one === name);
  if (action === undefined || argument === "" || others.length > 0) return misused(adminUsage);
  return report((admin) => perform(action, argument, admin), load());
};

async function report(
  act: (admin: Administration) => Promise<Outcome>,
  options: Options,
): Promise<number> {
  const { text, code } = await openAndPerform(act, options);
  console.log(text);
  return code;
}

async function openAndPerform(
  act: (admin: Administration) => Promise<Outcome>,
  options: Options,
): Promise<Outcome> {
  const ring = await existingRing(options);
  const backends = await openExistingBackends(options);
  try {
    if (ring === undefined || backends === undefined)
      throw new Error(`Nothing was done: ${noData(options.dataDir)}`);
    return await act(await createAdministration(ring, backends, options));
  } finally {
    await backends?.close();
  }
}

/** Creates the same services that a node has. They notify the nodes as another node would. */
async function createAdministration(ring: KeyRing, backends: ExistingBackends, options: Options) {
  const { store, users } = backends;
  const reportError = (what: string, error: unknown) =>
    console.error(`Done, but ${what}: ${messageOf(error)}`);
  const clock = Date.now;
  // The actions of operators are recorded regardless of the log level.
  const logger = pino(pino.destination({ fd: 2, sync: true }));
  const audit = auditTrail({ logger, clock, reportError });
  const sessions = new Sessions({
    store,
    pubsub: await backends.pubsub(reportError),
    ring,
    lifetimes: lifetimesOf(options),
    userStatus: async (id) => statusOf(await users?.byId(id)),
    clock,
    randomBytes,
    reportError,
    audit,
  });
  return new Administration({ users, sessions, audit, clock });
}

async function perform(action: Action, argument: string, admin: Administration): Promise<Outcome> {
  if (action === "end-session") {
    const found = (await admin.endSession(argument)) > 0;
    const text = found ? `Ended session ${argument}.` : `There is no live session ${argument}.`;
    return { text, code: found ? 0 : 1 };
  }
  const user = await admin.find(argument);
  // A deleted user may have sessions left, which the operator can still end by the user's id.
  const id = user?.id ?? argument;
  const name = user === undefined ? argument : `${user.email} (${id})`;
  try {
    const { text, count } = await performOnUser(action, id, name, admin);
    const found = user !== undefined || count > 0;
    return found ? { text, code: 0 } : { text: `There is no user ${argument}.`, code: 1 };
  } catch (error) {
    const failure =
      action === "sessions"
        ? "The sessions cannot be listed"
        : `The command may be only partly done; run it again for ${id}`;
    throw new Error(failure, { cause: error });
  }
}

async function endEverybody(admin: Administration): Promise<Outcome> {
  let lastReport = performance.now();
  const reportProgress = (count: number) => {
    if (performance.now() - lastReport < progressInterval) return;
    lastReport = performance.now();
    console.error(`${sessionCount(count)} ended so far`);
  };
  try {
    const { versions, endedSessions } = await admin.endEverybody(reportProgress);
    const text = `${sentence(endedText(endedSessions))}. ${remarks[versions]}`;
    return { text, code: versions === "unavailable" ? 2 : 0 };
  } catch (error) {
    const failure = "The command may be only partly done; run it again";
    throw new Error(failure, { cause: error });
  }
}

/** How far the command reached, by the security versions. */
const remarks = {
  raised: "Raised the security versions of all users: older sessions that come back end too.",
  unsupported:
    "The user directory keeps no security versions: ended only the sessions that the store has now.",
  elsewhere:
    "The users are kept on another machine: ended only the sessions that the store has now. Run the command there too.",
  unavailable:
    "The user directory did not answer: ended only the sessions that the store has now. Run the command again.",
} as const satisfies Record<EverybodyEnded["versions"], string>;

/** Returns the text for an existing user, and how many sessions it concerns. */
async function performOnUser(
  action: Exclude<Action, "end-session">,
  id: string,
  name: string,
  admin: Administration,
): Promise<{ readonly text: string; readonly count: number }> {
  switch (action) {
    case "sessions": {
      const sessions = await admin.sessions(id);
      return { text: listing(name, sessions, Date.now()), count: sessions.length };
    }
    case "end-sessions": {
      const count = await admin.endSessions(id);
      return { text: `${name}: ${endedText(count)}.`, count };
    }
    case "lock": {
      const { found, endedSessions: count } = await admin.lock(id);
      return { text: `${found ? "Locked " : ""}${name}; ${endedText(count)}.`, count };
    }
    case "unlock":
      await admin.unlock(id);
      return { text: `Unlocked ${name}.`, count: 0 };
    case "delete": {
      const { found, endedSessions: count } = await admin.delete(id);
      return { text: `${found ? "Deleted " : ""}${name}; ${endedText(count)}.`, count };
    }
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function endedText(count: number): string {
  return `ended ${sessionCount(count)}`;
}

function sessionCount(count: number): string {
  return count === 1 ? "1 session" : `${count} sessions`;
}

function listing(name: string, sessions: readonly Session[], now: number): string {
  const blocks = sessions.map((session) =>
    [
      "",
      session.fingerprint,
      ...formatTable([
        ["  created", timeText(session.createdAt, now)],
        ["  renewed", session.generation === 0 ? "never" : timeText(session.renewedAt, now)],
        ["  last seen", timeText(session.lastSeenAt, now)],
        ["  expires", timeText(session.idleExpiresAt, now)],
        ["  address", printable(session.ipAddress)],
        ["  user agent", printable(session.userAgent)],
      ]),
    ].join("\n"),
  );
  return [`${name}: ${sessionCount(sessions.length)}`, ...blocks].join("\n");
}

/** Replaces control characters, because a client's text may contain terminal escape sequences. */
function printable(text: string | null): string {
  return text?.replace(/\p{C}/gu, "\uFFFD") ?? "unknown";
}

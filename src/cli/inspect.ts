/** The command `inspect`: explains a token's kind, its signing key and the state of its session. */
import { text } from "node:stream/consumers";
import type { Options } from "../config/load.ts";
import { existingRing, openExistingBackends, type ExistingBackends } from "../node/backends.ts";
import { misused, type Command } from "./command.ts";
import { messageOf, timeText, noData, formatTable, type Fact } from "./report.ts";
import { splitToken, tokenBodyLength, tokenPrefixes } from "../protocol/token-format.ts";
import { decideRenewal } from "../session/renewal-rules.ts";
import type { Session } from "../session/session.ts";
import { readToken, statedKeyId, type Claims } from "../session/token.ts";
import { isOutdated, type UserStatus } from "../session/user-status.ts";
import { statusOf } from "../users/accounts.ts";

export const inspectUsage = `Usage: curfew inspect [options] [token]
Explains a token: its kind, the key that signed it and the state of its session. Does not use the token.
Without a token, or with -, reads it from standard input, which keeps it out of the shell history.
Use the same settings as the server: DATA_DIR, CURFEW_SECRETS, DATABASE_URL, REDIS_….
Exits with 0 if the server would accept the token now, 1 if not, 2 if that is unknown.`;

/** Whether the server would accept the token now, and the reason. */
interface TokenVerdict {
  readonly result: "accepted" | "refused" | "unknown";
  readonly why?: string;
}

const outdated = "the sessions of its user were ended after it began";

const exitCodes = { accepted: 0, refused: 1, unknown: 2 } as const;

interface Report extends TokenVerdict {
  readonly facts: readonly Fact[];
}

/** The result of looking up the token's user. */
interface UserLookup {
  readonly status: UserStatus;
  /** The message of the directory's error, if it could not be read. */
  readonly error?: string;
}

/** The result of looking up the token's session. */
type Finding =
  | { readonly state: "live"; readonly session: Session; readonly user: UserLookup }
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly why: string };

export const inspectToken: Command = async (operands, load) => {
  if (operands.length > 1) return misused(inspectUsage);
  const options = load();
  const token = await tokenFrom(operands);
  if (token === undefined) return misused(inspectUsage);
  const report = await inspect(token, options, Date.now());
  console.log([verdictText(token, report), ...formatTable(report.facts)].join("\n"));
  return exitCodes[report.result];
};

async function tokenFrom([argument = "-"]: readonly string[]) {
  const given = argument === "-" ? await text(process.stdin) : argument;
  // The value of an Authorization header is accepted too.
  return given.trim().replace(/^bearer\s+/i, "") || undefined;
}

async function inspect(token: string, options: Options, now: number): Promise<Report> {
  const keyId = statedKeyId(token);
  if (keyId === undefined) return { result: "refused", why: flaw(token), facts: [] };
  const ring = await existingRing(options);
  if (ring === undefined)
    return { result: "unknown", why: noData(options.dataDir), facts: [["key", keyId]] };

  const isOurs = ring.ids.includes(keyId);
  const { claims } = readToken(ring, token);
  const facts: Fact[] = [
    ["key", `${keyId}, ${isOurs ? "a" : "not a"} key of this server`],
    ["server's keys", ring.ids.join(", ")],
    ["signature", claims === undefined ? "invalid" : "valid"],
  ];
  if (claims === undefined) {
    const why = isOurs ? "it was changed after it was signed" : "no key of this server signed it";
    return { result: "refused", why, facts };
  }

  const finding = await findSession(claims, options, now);
  facts.push(
    ["generation", String(claims.generation)],
    ["expires", timeText(claims.expiresAt, now)],
    ["fingerprint", claims.fingerprint],
    ...factsOf(finding, claims, now),
  );
  return { ...decide(claims, finding, now), facts };
}

/** Checks in the same order as the server. */
function decide(claims: Claims, finding: Finding, now: number): TokenVerdict {
  if (claims.expiresAt <= now) return { result: "refused", why: "it has expired" };
  if (finding.state === "unknown") return { result: "unknown", why: finding.why };
  if (finding.state === "absent") return { result: "refused", why: "its session has ended" };
  const { session, user } = finding;
  const isReissued = claims.generation < session.minGeneration;
  const reissued = "it was issued before the password was changed";
  if (claims.kind === "access" && isReissued) return { result: "refused", why: reissued };
  if (claims.kind === "access")
    return claims.generation < session.generation
      ? { result: "refused", why: "its session was renewed and has a newer token" }
      : { result: "accepted" };
  if (user.status.disabled) return { result: "refused", why: "the user was deleted or locked" };
  if (user.error !== undefined)
    return { result: "unknown", why: `its user cannot be looked up (${user.error})` };
  if (isOutdated(session, user.status)) return { result: "refused", why: outdated };
  const { generation } = claims;
  switch (decideRenewal(session, { generation, generationAtRead: session.generation }, now)) {
    case "rotate":
      return { result: "accepted" };
    case "replay":
    case "foreignReplay":
      return {
        result: "accepted",
        why: "it was used within the grace period, and returns the same pair",
      };
    case "reuse":
      return { result: "refused", why: "it was used before, and using it again ends its session" };
    case "superseded":
      return { result: "refused", why: reissued };
  }
}

async function findSession(claims: Claims, options: Options, now: number): Promise<Finding> {
  try {
    const backends = await openExistingBackends(options);
    if (backends === undefined) return { state: "unknown", why: noData(options.dataDir) };
    try {
      const session = await backends.store.read(claims.fingerprint, now);
      if (session === undefined) return { state: "absent" };
      return { state: "live", session, user: await findUser(backends.users, session.userId) };
    } finally {
      await backends.close();
    }
  } catch (error) {
    return { state: "unknown", why: `its session cannot be looked up (${messageOf(error)})` };
  }
}

/** Stands for a user who is kept on another machine or could not be read. */
const enabled: UserStatus = { disabled: false, securityVersion: 0 };

/** Catches errors, because the session is still known if the user directory is down. */
async function findUser(users: ExistingBackends["users"], id: string): Promise<UserLookup> {
  try {
    return { status: users === undefined ? enabled : statusOf(await users.byId(id)) };
  } catch (error) {
    return { status: enabled, error: messageOf(error) };
  }
}

function factsOf(finding: Finding, { generation }: Claims, now: number): Fact[] {
  if (finding.state === "unknown") return [["session", "unknown"]];
  if (finding.state === "absent")
    return [["session", "absent: it ended, or was never stored here"]];
  const { session, user } = finding;
  const remark = user.error === undefined ? "" : ", cannot be looked up";
  const tokenState =
    session.minGeneration > generation
      ? `the token is from before the password was changed: only tokens from ${session.minGeneration} on are accepted`
      : generation >= session.generation
        ? "same as the token"
        : generation === session.generation - 1 && now < session.graceEndsAt
          ? `the token is superseded, with grace until ${timeText(session.graceEndsAt, now)}`
          : "the token is superseded";
  return [
    ["session", "live"],
    ["  user", `${session.userId}${user.status.disabled ? ", deleted or locked" : remark}`],
    ["  generation", `${session.generation}, ${tokenState}`],
    ["  created", timeText(session.createdAt, now)],
    ["  renewed", session.generation === 0 ? "never" : timeText(session.renewedAt, now)],
    ["  last seen", timeText(session.lastSeenAt, now)],
    ["  access until", timeText(session.accessExpiresAt, now)],
    ["  renewal until", timeText(session.idleExpiresAt, now)],
    ["  ends by", timeText(session.absoluteExpiresAt, now)],
  ];
}

/** Explains why a text is not a token. Quotes nothing, because the text may be most of a token. */
function flaw(token: string): string {
  const body = splitToken(token)?.body;
  if (body === undefined)
    return `it begins with neither ${tokenPrefixes.access} nor ${tokenPrefixes.renewal}`;
  if (/[^\w-]/.test(body)) return "it contains characters that tokens do not have";
  if (body.length !== tokenBodyLength)
    return `it has ${body.length} characters after its prefix instead of ${tokenBodyLength}`;
  return "the part after its prefix belongs to another kind or version";
}

function verdictText(token: string, { result, why }: TokenVerdict): string {
  const kind = splitToken(token)?.kind;
  const subject = kind === undefined ? "This text" : `This ${kind} token`;
  const reason = why === undefined ? "" : `: ${why}`;
  return result === "unknown"
    ? `${subject} cannot be checked${reason}.`
    : `${subject} is ${result}${reason}.`;
}

/** The command that explains a token: what it is, whether this server signed it, and what became of its session. */
import { text } from "node:stream/consumers";
import type { Options } from "../config/load.ts";
import { existingRing, openExistingBackends, type ExistingBackends } from "../node/backends.ts";
import { misused, type Command } from "./command.ts";
import { messageOf, moment, noData, table, type Fact } from "./report.ts";
import { splitToken, tokenBodyLength, tokenPrefixes } from "../protocol/token-format.ts";
import { decideRenewal } from "../session/renewal-rules.ts";
import type { Session } from "../session/session.ts";
import { readToken, statedKeyId, type Claims } from "../session/token.ts";

export const inspectUsage = `Usage: curfew inspect [options] [token]
Says what a token is, which key signed it and what became of its session.
Without a token, or with -, it is read from standard input, where no shell history keeps it.
The settings are the server's own: DATA_DIR, CURFEW_SECRETS, DATABASE_URL, REDIS_….
Exits with 0 when the server would accept the token now, 1 when not, 2 when nothing can be said.`;

/** What the server would do with the token now, and why. */
interface Judgement {
  readonly standing: "accepted" | "refused" | "unknown";
  readonly why?: string;
}

const exitCodes = { accepted: 0, refused: 1, unknown: 2 } as const;

interface Report extends Judgement {
  readonly facts: readonly Fact[];
}

/** What the directory says of its user, if it is on this machine and answers. */
interface UserFinding {
  readonly isUserDisabled: boolean;
  /** Why it says nothing. */
  readonly fault?: string;
}

/** What the store says of a session. */
type Finding =
  | { readonly state: "live"; readonly session: Session; readonly user: UserFinding }
  | { readonly state: "absent" }
  | { readonly state: "unknown"; readonly why: string };

export const inspectToken: Command = async (operands, load) => {
  if (operands.length > 1) return misused(inspectUsage);
  const options = load();
  const token = await givenToken(operands);
  if (token === undefined) return misused(inspectUsage);
  const report = await inspect(token, options, Date.now());
  console.log([verdict(token, report), ...table(report.facts)].join("\n"));
  return exitCodes[report.standing];
};

async function givenToken([argument = "-"]: readonly string[]) {
  const given = argument === "-" ? await text(process.stdin) : argument;
  // A header's value will do.
  return given.trim().replace(/^bearer\s+/i, "") || undefined;
}

async function inspect(token: string, options: Options, now: number): Promise<Report> {
  const keyId = statedKeyId(token);
  if (keyId === undefined) return { standing: "refused", why: flaw(token), facts: [] };
  const ring = await existingRing(options);
  if (ring === undefined)
    return { standing: "unknown", why: noData(options.dataDir), facts: [["key", keyId]] };

  const isOurs = ring.ids.includes(keyId);
  const { claims } = readToken(ring, token);
  const facts: Fact[] = [
    ["key", `${keyId}, ${isOurs ? "one" : "none"} of this server's`],
    ["server's keys", ring.ids.join(", ")],
    ["signature", claims === undefined ? "wrong" : "right"],
  ];
  if (claims === undefined) {
    const why = isOurs ? "it was changed after it was signed" : "no key of this server signed it";
    return { standing: "refused", why, facts };
  }

  const finding = await find(claims, options, now);
  facts.push(
    ["generation", String(claims.generation)],
    ["expires", moment(claims.expiresAt, now)],
    ["fingerprint", claims.fingerprint],
    ...describe(finding, claims, now),
  );
  return { ...judge(claims, finding, now), facts };
}

/** In the server's order. */
function judge(claims: Claims, finding: Finding, now: number): Judgement {
  if (claims.expiresAt <= now) return { standing: "refused", why: "it has expired" };
  if (finding.state === "unknown") return { standing: "unknown", why: finding.why };
  if (finding.state === "absent") return { standing: "refused", why: "its session has ended" };
  const { session, user } = finding;
  const isReissued = claims.generation < session.minGeneration;
  const reissued = "it was issued before the password was changed, and is worth nothing since";
  if (claims.kind === "access" && isReissued) return { standing: "refused", why: reissued };
  if (claims.kind === "access")
    return claims.generation < session.generation
      ? { standing: "refused", why: "its session was renewed, and has a newer one" }
      : { standing: "accepted" };
  if (user.isUserDisabled) return { standing: "refused", why: "the user was deleted or locked" };
  if (user.fault !== undefined)
    return { standing: "unknown", why: `its user cannot be looked up (${user.fault})` };
  const { generation } = claims;
  switch (decideRenewal(session, { generation, generationAtRead: session.generation }, now)) {
    case "rotate":
      return { standing: "accepted" };
    case "replay":
    case "foreignReplay":
      return { standing: "accepted", why: "it was used just now, and gives the same pair again" };
    case "reuse":
      return { standing: "refused", why: "it was used before; once more, and its session ends" };
    case "superseded":
      return { standing: "refused", why: reissued };
  }
}

async function find(claims: Claims, options: Options, now: number): Promise<Finding> {
  try {
    const parts = await openExistingBackends(options);
    if (parts === undefined) return { state: "unknown", why: noData(options.dataDir) };
    try {
      const session = await parts.store.read(claims.fingerprint, now);
      if (session === undefined) return { state: "absent" };
      return { state: "live", session, user: await findUser(parts.users, session.userId) };
    } finally {
      await parts.close();
    }
  } catch (error) {
    return { state: "unknown", why: `its session cannot be looked up (${messageOf(error)})` };
  }
}

/** Apart from the session, which the store knows while the users are away. */
async function findUser(users: ExistingBackends["users"], id: string): Promise<UserFinding> {
  try {
    return { isUserDisabled: users !== undefined && ((await users.byId(id))?.locked ?? true) };
  } catch (error) {
    return { isUserDisabled: false, fault: messageOf(error) };
  }
}

function describe(finding: Finding, { generation }: Claims, now: number): Fact[] {
  if (finding.state === "unknown") return [["session", "unknown"]];
  if (finding.state === "absent") return [["session", "absent: it ended, or was never kept here"]];
  const { session, user } = finding;
  const remark = user.fault === undefined ? "" : ", who cannot be looked up";
  const standing =
    session.minGeneration > generation
      ? `the token is from before the password was changed: only those from ${session.minGeneration} on are accepted`
      : generation >= session.generation
        ? "the token's"
        : generation === session.generation - 1 && now < session.graceEndsAt
          ? `the token is superseded, in grace until ${moment(session.graceEndsAt, now)}`
          : "the token is superseded";
  return [
    ["session", "live"],
    ["  user", `${session.userId}${user.isUserDisabled ? ", deleted or locked" : remark}`],
    ["  generation", `${session.generation}, ${standing}`],
    ["  created", moment(session.createdAt, now)],
    ["  renewed", session.generation === 0 ? "never" : moment(session.renewedAt, now)],
    ["  last seen", moment(session.lastSeenAt, now)],
    ["  access until", moment(session.accessExpiresAt, now)],
    ["  renewal until", moment(session.idleExpiresAt, now)],
    ["  ends by", moment(session.absoluteExpiresAt, now)],
  ];
}

/** Why it is no token; nothing of it is shown, since it may be most of one. */
function flaw(token: string): string {
  const body = splitToken(token)?.body;
  if (body === undefined)
    return `it begins with neither ${tokenPrefixes.access} nor ${tokenPrefixes.renewal}`;
  if (/[^\w-]/.test(body)) return "it has characters in it that no token has";
  if (body.length !== tokenBodyLength)
    return `it has ${body.length} characters after its prefix instead of ${tokenBodyLength}`;
  return "what follows its prefix is of another kind or version";
}

function verdict(token: string, { standing, why }: Judgement): string {
  const kind = splitToken(token)?.kind;
  const subject = kind === undefined ? "This" : `This ${kind} token`;
  const reason = why === undefined ? "" : `: ${why}`;
  return standing === "unknown"
    ? `${subject} can be neither accepted nor refused${reason}.`
    : `${subject} is ${standing}${reason}.`;
}

/** A session and the rules of its life: pure, with the time passed in. All times are epoch milliseconds. */
import { sessionNetworkOf, unknownNetwork } from "../lib/client-network.ts";

/** One login on one device, as a store keeps it: no token and no secret. */
export interface Session {
  /** Public id, the same across renewals. */
  readonly fingerprint: string;
  readonly userId: string;
  /** How often the session was renewed. */
  readonly generation: number;
  readonly createdAt: number;
  readonly renewedAt: number;
  /** Coarse: see `lastSeenResolution`. */
  readonly lastSeenAt: number;
  /** When the access token of the current generation expires. */
  readonly accessExpiresAt: number;
  /** When the renewal token of the current generation, and with it the session, expires. */
  readonly idleExpiresAt: number;
  /** Nothing extends this one. */
  readonly absoluteExpiresAt: number;
  /** Until when the renewal token of the generation before still gives the current pair. */
  readonly graceEndsAt: number;
  /** Tokens of an earlier generation are refused: a changed password raises it to its own. */
  readonly minGeneration: number;
  /**
   * The networks that the session logged in from or was renewed from, latest first, separated by spaces;
   * at most {@link maxNetworks}. Text, because Redis's cjson turns an empty list into an object.
   */
  readonly networks: string;
  /** How many generations in a row, up to `foreignReplayGeneration`, had a foreign replay: see `judgeRenewal`. */
  readonly foreignReplays: number;
  /** The last generation that had one; 0 where none had, since generation 0 cannot be a replay's answer. */
  readonly foreignReplayGeneration: number;
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
}

const integerFields = [
  "generation",
  "createdAt",
  "renewedAt",
  "lastSeenAt",
  "accessExpiresAt",
  "idleExpiresAt",
  "absoluteExpiresAt",
  "graceEndsAt",
  "minGeneration",
  "foreignReplays",
  "foreignReplayGeneration",
] as const satisfies readonly (keyof Session)[];

/** Fields that sessions of earlier versions lack, with the value that such a session has. */
const laterFields = {
  minGeneration: 0,
  networks: "",
  foreignReplays: 0,
  foreignReplayGeneration: 0,
} as const satisfies Partial<Session>;

/** Reads a session that comes from a store or from another node; undefined when it is none. */
export function toSession(value: unknown): Session | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const session = { ...laterFields, ...value };
  return isSession(session) ? session : undefined;
}

function isSession(value: object): value is Session {
  const fields = value as Partial<Record<keyof Session, unknown>>;
  return (
    isText(fields.fingerprint) &&
    isText(fields.userId) &&
    isText(fields.networks) &&
    (fields.userAgent === null || isText(fields.userAgent)) &&
    (fields.ipAddress === null || isText(fields.ipAddress)) &&
    integerFields.every((field) => Number.isSafeInteger(fields[field]))
  );
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** What connections need to know of their session, again and again. */
export type SessionExpiry = Pick<
  Session,
  "accessExpiresAt" | "idleExpiresAt" | "minGeneration" | "networks"
>;

export function expiryOf({
  accessExpiresAt,
  idleExpiresAt,
  minGeneration,
  networks,
}: Session): SessionExpiry {
  return { accessExpiresAt, idleExpiresAt, minGeneration, networks };
}

/** The network that the session was last renewed from, or logged in from. */
export function latestNetwork({ networks }: Pick<Session, "networks">): string {
  return networks.split(" ", 1)[0] || unknownNetwork;
}

/** How many networks a session remembers. */
export const maxNetworks = 8;

/** Puts the network first. */
function addNetwork(networks: string, network: string): string {
  const others = networks.split(" ").filter((known) => known !== "" && known !== network);
  return [network, ...others].slice(0, maxNetworks).join(" ");
}

/** How long things last, in milliseconds. */
export interface Lifetimes {
  /** From a login or renewal to the expiry of its access token. */
  readonly access: number;
  /** From a login or renewal to the expiry of its renewal token. */
  readonly renewal: number;
  /** From the login to the end of the session, renewed or not. */
  readonly absolute: number;
  /** From a renewal to the moment when the token it used counts as stolen. */
  readonly grace: number;
}

/** Where a login came from. */
export interface Device {
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
}

/** `lastSeenAt` is written at most this often, so that an access check is a read and nothing else. */
export const lastSeenResolution = 60_000;

export function beginSession(
  fingerprint: string,
  userId: string,
  device: Device,
  lifetimes: Lifetimes,
  now: number,
): Session {
  const absoluteExpiresAt = now + lifetimes.absolute;
  return {
    fingerprint,
    userId,
    generation: 0,
    createdAt: now,
    renewedAt: now,
    lastSeenAt: now,
    ...expiries(absoluteExpiresAt, lifetimes, now),
    absoluteExpiresAt,
    graceEndsAt: now,
    minGeneration: 0,
    networks: sessionNetworkOf(device.ipAddress),
    foreignReplays: 0,
    foreignReplayGeneration: 0,
    ...device,
  };
}

/** A renewal as it was asked for. */
export interface RenewalRequest {
  /** That of the token. */
  readonly generation: number;
  /**
   * That of the session when it was read for this renewal: before the verdict, perhaps long before. More
   * than any session has where the token was used up then.
   */
  readonly generationAtRead: number;
  /** The network that asks: see `sessionNetworkOf`. Of an unknown one no replay is foreign. */
  readonly network: string;
  /** Whether foreign replays of {@link maxForeignReplays} generations in a row are reuse. Default: true. */
  readonly foreignReplaysEnd?: boolean;
}

/** What a renewal does to a live session. */
export type RenewalDecision =
  /** The token is current: the session steps up one generation. */
  | "step"
  /** A replay inside the grace period: it gets the current pair. */
  | "converge"
  /** The same, from a network that the session does not know, for the first time in this generation. */
  | "convergeForeign"
  /** A used token after its grace, or one more foreign replay than is accepted: the session is to be ended. */
  | "reuse"
  /** The token is from before the session was reissued: it is refused and changes nothing. */
  | "superseded";

/** As many generations in a row may be shared with another network before that is theft. */
export const maxForeignReplays = 3;

/**
 * Decides what a renewal does.
 *
 * A replay is *foreign* if its network is known and is none of the session's: a thief who renews inside
 * the grace period, right after the owner, looks like that. So does an honest client whose answer was lost
 * and that retries from another network, so at most one replay counts for each generation, and only
 * generations in a row add up.
 *
 * @param now by the clock that the end of the grace was written by
 */
export function decideRenewal(
  session: Session,
  request: Pick<RenewalRequest, "generation" | "generationAtRead"> & Partial<RenewalRequest>,
  now: number,
): RenewalDecision {
  const {
    generation,
    generationAtRead,
    network = unknownNetwork,
    foreignReplaysEnd: followingEnds = true,
  } = request;
  // Before all else, whatever the caller read: the change may have come after that.
  if (generation < session.minGeneration) return "superseded";
  // A signed token ahead of the store proves that the store lost a renewal, not that anybody cheated.
  if (generation >= session.generation) return "step";
  // Asked before the last renewal was made, with a token that was good then: it does not come after
  // that renewal, however late it is carried out, and so is one of those that converge on it.
  const askedBefore = generationAtRead < session.generation && generation >= generationAtRead - 1;
  const inGrace = generation === session.generation - 1 && now < session.graceEndsAt;
  if (!askedBefore && !inGrace) return "reuse";
  if (!isForeignReplay(session, network)) return "converge";
  const isOneTooMany = followingEnds && foreignReplaysWith(session) >= maxForeignReplays;
  return isOneTooMany ? "reuse" : "convergeForeign";
}

/** Whether a replay from that network is to be counted. */
function isForeignReplay(session: Session, network: string): boolean {
  if (session.foreignReplayGeneration === session.generation) return false;
  const known = session.networks.split(" ").filter((one) => one !== "" && one !== unknownNetwork);
  // Nothing can be judged where either side is unknown.
  return network !== unknownNetwork && known.length > 0 && !known.includes(network);
}

/** How many generations in a row have a foreign replay if the current one has. */
function foreignReplaysWith(session: Session): number {
  const isInARow = session.foreignReplayGeneration === session.generation - 1;
  return isInARow ? session.foreignReplays + 1 : 1;
}

/** The session with a foreign replay of its current generation counted. */
export function countForeignReplay(session: Session): Session {
  return {
    ...session,
    foreignReplays: foreignReplaysWith(session),
    foreignReplayGeneration: session.generation,
  };
}

/** The session one generation after that of the presented token. */
export function rotateSession(
  session: Session,
  { generation, network }: Pick<RenewalRequest, "generation" | "network">,
  lifetimes: Lifetimes,
  now: number,
): Session {
  return {
    ...session,
    generation: generation + 1,
    renewedAt: now,
    lastSeenAt: now,
    ...expiries(session.absoluteExpiresAt, lifetimes, now),
    graceEndsAt: now + lifetimes.grace,
    networks: addNetwork(session.networks, network),
  };
}

/** A session that is to start over: see `reissueSession`. */
export interface ReissueRequest {
  /** The generation of the caller's token: the store may be behind it, if it has lost a renewal. */
  readonly atLeast: number;
  /** The network that asks: see `sessionNetworkOf`. */
  readonly network: string;
}

/**
 * The session in a generation of which no token was issued yet, with every token from before refused: it
 * steps from what is current and leaves no grace period.
 */
export function reissueSession(
  session: Session,
  { atLeast, network }: ReissueRequest,
  lifetimes: Lifetimes,
  now: number,
): Session {
  const generation = Math.max(session.generation, atLeast);
  const stepped = rotateSession(session, { generation, network }, lifetimes, now);
  return { ...stepped, graceEndsAt: now, minGeneration: stepped.generation };
}

export function isLive({ idleExpiresAt }: Pick<Session, "idleExpiresAt">, now: number): boolean {
  return now < idleExpiresAt;
}

/** The oldest sessions, which are too many: the same ones whoever asks, in whatever order he has them. */
export function sessionsBeyondLimit(
  sessions: readonly Session[],
  limit: number,
): readonly Session[] {
  const age = (a: Session, b: Session) =>
    b.createdAt - a.createdAt || (a.fingerprint < b.fingerprint ? 1 : -1);
  return sessions.toSorted(age).slice(limit);
}

function expiries(absoluteExpiresAt: number, lifetimes: Lifetimes, now: number) {
  const idleExpiresAt = Math.min(now + lifetimes.renewal, absoluteExpiresAt);
  return { accessExpiresAt: Math.min(now + lifetimes.access, idleExpiresAt), idleExpiresAt };
}

/** A session and the rules of its life: pure, with the time passed in. All times are epoch milliseconds. */
import { sessionNetworkOf, unknownNetwork } from "./network.ts";

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
] as const satisfies readonly (keyof Session)[];

/** Fields that sessions of earlier versions lack, with the value that such a session has. */
const laterFields = { minGeneration: 0, networks: "" } as const satisfies Partial<Session>;

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
export type Standing = Pick<
  Session,
  "accessExpiresAt" | "idleExpiresAt" | "minGeneration" | "networks"
>;

export function standingOf({
  accessExpiresAt,
  idleExpiresAt,
  minGeneration,
  networks,
}: Session): Standing {
  return { accessExpiresAt, idleExpiresAt, minGeneration, networks };
}

/** The network that the session was last renewed from, or logged in from. */
export function latestNetwork({ networks }: Pick<Session, "networks">): string {
  return networks.split(" ", 1)[0] || unknownNetwork;
}

/** How many networks a session remembers. */
export const maxNetworks = 8;

/** Puts the network first. */
export function addNetwork(networks: string, network: string): string {
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
  readonly seen: number;
  /** The network that asks: see `sessionNetworkOf`. */
  readonly network: string;
}

/** What a renewal does to a live session. */
export type RenewalVerdict = "step" | "converge" | "reuse";

/** @param now by the clock that the end of the grace was written by */
export function judgeRenewal(
  session: Session,
  { generation, seen }: Pick<RenewalRequest, "generation" | "seen">,
  now: number,
): RenewalVerdict {
  // A signed token ahead of the store proves that the store lost a renewal, not that anybody cheated.
  if (generation >= session.generation) return "step";
  // Asked before the last renewal was made, with a token that was good then: it does not come after
  // that renewal, however late it is carried out, and so is one of those that converge on it.
  if (seen < session.generation && generation >= seen - 1) return "converge";
  if (generation === session.generation - 1 && now < session.graceEndsAt) return "converge";
  return "reuse";
}

/** The session one generation after that of the presented token. */
export function stepSession(
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

export function isLive({ idleExpiresAt }: Pick<Session, "idleExpiresAt">, now: number): boolean {
  return now < idleExpiresAt;
}

/** The oldest sessions, which are too many: the same ones whoever asks, in whatever order he has them. */
export function beyondLimit(sessions: readonly Session[], limit: number): readonly Session[] {
  const age = (a: Session, b: Session) =>
    b.createdAt - a.createdAt || (a.fingerprint < b.fingerprint ? 1 : -1);
  return sessions.toSorted(age).slice(limit);
}

function expiries(absoluteExpiresAt: number, lifetimes: Lifetimes, now: number) {
  const idleExpiresAt = Math.min(now + lifetimes.renewal, absoluteExpiresAt);
  return { accessExpiresAt: Math.min(now + lifetimes.access, idleExpiresAt), idleExpiresAt };
}

/** A session and its lifetime: pure functions, with the time passed in. All times are epoch milliseconds. */
import { sessionNetworkOf, unknownNetwork } from "../lib/client-network.ts";

/** One login on one device, as stores record it: without any token or secret. */
export interface Session {
  /** Public id, the same for every generation. */
  readonly fingerprint: string;
  readonly userId: string;
  /** How often the session was renewed. */
  readonly generation: number;
  readonly createdAt: number;
  readonly renewedAt: number;
  /** Accurate to {@link lastSeenResolution}. */
  readonly lastSeenAt: number;
  /** When the access token of the current generation expires. */
  readonly accessExpiresAt: number;
  /** When the renewal token of the current generation expires, and the session with it. */
  readonly idleExpiresAt: number;
  /** When the session ends at the latest: no renewal extends it. */
  readonly absoluteExpiresAt: number;
  /** Until when the renewal token of the previous generation still returns the current pair. */
  readonly graceEndsAt: number;
  /** Tokens of an earlier generation are refused. A changed password sets it to the new generation. */
  readonly minGeneration: number;
  /**
   * The networks of the login and of the renewals, latest first, separated by spaces; at most
   * {@link maxNetworks}. Text, because Redis's cjson turns an empty list into an object.
   */
  readonly networks: string;
  /** How many generations in a row, up to `foreignReplayGeneration`, had a foreign replay: see `decideRenewal`. */
  readonly foreignReplays: number;
  /** The last generation with a foreign replay; 0 if there is none, since generation 0 has no replays. */
  readonly foreignReplayGeneration: number;
  /** The user's security version when the password was checked. Once the user's own is higher, the session has ended. */
  readonly securityVersion: number;
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
}

type FieldType<Value> = Value extends number
  ? "integer"
  : null extends Value
    ? "text or null"
    : "text";

/** Records of earlier versions lack some fields: the value to read then, or `required` if all versions write it. */
const required = undefined;

type FieldRules = {
  readonly [Field in keyof Session]-?: {
    readonly type: FieldType<Session[Field]>;
    readonly ifMissing: Session[Field] | typeof required;
  };
};

/** How records of stores and messages of other nodes are read, field by field. A new field needs an `ifMissing` value. */
const fieldRules = {
  fingerprint: { type: "text", ifMissing: required },
  userId: { type: "text", ifMissing: required },
  generation: { type: "integer", ifMissing: required },
  createdAt: { type: "integer", ifMissing: required },
  renewedAt: { type: "integer", ifMissing: required },
  lastSeenAt: { type: "integer", ifMissing: required },
  accessExpiresAt: { type: "integer", ifMissing: required },
  idleExpiresAt: { type: "integer", ifMissing: required },
  absoluteExpiresAt: { type: "integer", ifMissing: required },
  graceEndsAt: { type: "integer", ifMissing: required },
  minGeneration: { type: "integer", ifMissing: 0 },
  networks: { type: "text", ifMissing: "" },
  foreignReplays: { type: "integer", ifMissing: 0 },
  foreignReplayGeneration: { type: "integer", ifMissing: 0 },
  securityVersion: { type: "integer", ifMissing: 0 },
  userAgent: { type: "text or null", ifMissing: required },
  ipAddress: { type: "text or null", ifMissing: required },
} as const satisfies FieldRules;

const ruleEntries = Object.entries(fieldRules) as [keyof Session, FieldRules[keyof Session]][];

/** The fields that records of earlier versions lack, with the values of such a session. */
export const laterFields: Partial<Session> = Object.fromEntries(
  ruleEntries
    .filter(([, { ifMissing }]) => ifMissing !== required)
    .map(([field, { ifMissing }]) => [field, ifMissing]),
);

/** Reads a session from a store or another node; undefined if the value is none. */
export function toSession(value: unknown): Session | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const session = { ...laterFields, ...value };
  return isSession(session) ? session : undefined;
}

function isSession(value: object): value is Session {
  const fields = value as Partial<Record<keyof Session, unknown>>;
  return ruleEntries.every(([field, { type }]) => isOfType(fields[field], type));
}

function isOfType(value: unknown, type: FieldRules[keyof Session]["type"]): boolean {
  switch (type) {
    case "integer":
      return Number.isSafeInteger(value);
    case "text or null":
      return value === null || typeof value === "string";
    case "text":
      return typeof value === "string";
  }
}

/** The fields that each open connection needs of its session and reads often. */
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

/** The network of the last renewal, or else of the login. */
export function latestNetwork({ networks }: Pick<Session, "networks">): string {
  return networks.split(" ", 1)[0] || unknownNetwork;
}

/** How many networks a session records. */
export const maxNetworks = 8;

/** Durations in milliseconds. */
export interface Lifetimes {
  /** From a login or renewal to the expiry of its access token. */
  readonly access: number;
  /** From a login or renewal to the expiry of its renewal token. */
  readonly renewal: number;
  /** From the login to the end of the session, renewed or not. */
  readonly absolute: number;
  /** From a renewal to the moment from which its token counts as stolen if it is used again. */
  readonly grace: number;
}

/** The client of a login or a request. */
export interface Device {
  readonly userAgent: string | null;
  readonly ipAddress: string | null;
}

/** Minimum interval between two writes of `lastSeenAt` (ms): most access checks only read. */
export const lastSeenResolution = 60_000;

export function beginSession(
  fingerprint: string,
  userId: string,
  device: Device,
  lifetimes: Lifetimes,
  now: number,
  securityVersion = 0,
): Session {
  const absoluteExpiresAt = now + lifetimes.absolute;
  return {
    fingerprint,
    userId,
    generation: 0,
    createdAt: now,
    renewedAt: now,
    lastSeenAt: now,
    ...tokenExpiries(absoluteExpiresAt, lifetimes, now),
    absoluteExpiresAt,
    graceEndsAt: now,
    minGeneration: 0,
    networks: sessionNetworkOf(device.ipAddress),
    foreignReplays: 0,
    foreignReplayGeneration: 0,
    securityVersion,
    ...device,
  };
}

/** The expiries of tokens that are issued now: none is later than the session's absolute expiry. */
export function tokenExpiries(absoluteExpiresAt: number, lifetimes: Lifetimes, now: number) {
  const idleExpiresAt = Math.min(now + lifetimes.renewal, absoluteExpiresAt);
  return { accessExpiresAt: Math.min(now + lifetimes.access, idleExpiresAt), idleExpiresAt };
}

export function isLive({ idleExpiresAt }: Pick<Session, "idleExpiresAt">, now: number): boolean {
  return now < idleExpiresAt;
}

/** The oldest sessions beyond the limit: the same ones on every node, in whatever order they are listed. */
export function sessionsBeyondLimit(
  sessions: readonly Session[],
  limit: number,
): readonly Session[] {
  const newestFirst = (a: Session, b: Session) =>
    b.createdAt - a.createdAt || (a.fingerprint < b.fingerprint ? 1 : -1);
  return sessions.toSorted(newestFirst).slice(limit);
}

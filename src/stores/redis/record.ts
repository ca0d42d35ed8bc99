/** A session as the fields of a Redis hash, and back. */
import { integerFields, type Session, type Standing } from "../../session/session.ts";
import type { FlatRecord } from "./scripts.ts";

/** All fields of a record, in the order in which it is read: half of what HGETALL answers with. */
export const recordFields = ["userId", "userAgent", "ipAddress", ...integerFields] as const;

/** Names and values in turn. What is null is left out; the fingerprint is in the key. */
export function encode(session: Session): (string | number)[] {
  return Object.entries(session).flatMap(([name, value]: [string, string | number | null]) =>
    name === "fingerprint" || value === null ? [] : [name, value],
  );
}

/**
 * Undefined for a record that is damaged: who gets in must never be a guess, and that is no session.
 *
 * @param values of `recordFields`
 */
export function decode(
  fingerprint: string,
  [userId, userAgent = null, ipAddress = null, ...integers]: readonly (string | null)[],
): Session | undefined {
  if (userId == null || !integers.every(isInteger)) return undefined;
  const numbers: Record<string, number> = {};
  for (const [i, name] of integerFields.entries()) numbers[name] = Number(integers[i]);
  return {
    fingerprint,
    userId,
    userAgent,
    ipAddress,
    ...(numbers as Pick<Session, (typeof integerFields)[number]>),
  };
}

export const standingFields = ["accessExpiresAt", "idleExpiresAt"] as const;

/** As `decode`, of the values of these fields alone. */
export function decodeStanding(values: readonly (string | null)[]): Standing | undefined {
  const [accessExpiresAt, idleExpiresAt] = values;
  if (!isInteger(accessExpiresAt) || !isInteger(idleExpiresAt)) return undefined;
  return { accessExpiresAt: Number(accessExpiresAt), idleExpiresAt: Number(idleExpiresAt) };
}

function isInteger(text: string | null | undefined): boolean {
  return /^\d{1,15}$/.test(text ?? "");
}

/** The values of `recordFields` in what HGETALL gave a script. */
export function unflatten(flat: FlatRecord): (string | null)[] {
  const record = new Map<string | undefined, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) record.set(flat[i], flat[i + 1] ?? "");
  return recordFields.map((name) => record.get(name) ?? null);
}

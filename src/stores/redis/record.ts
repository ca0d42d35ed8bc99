/** A session as the fields of a Redis hash, and back. */
import { integerFields, type Session, type Standing } from "../../session/session.ts";
import type { FlatRecord } from "./scripts.ts";

/** Names and values in turn. What is null is left out; the fingerprint is in the key. */
export function encode(session: Session): (string | number)[] {
  return Object.entries(session).flatMap(([name, value]: [string, string | number | null]) =>
    name === "fingerprint" || value === null ? [] : [name, value],
  );
}

/** Undefined for a record that is damaged: who gets in must never be a guess, and that is no session. */
export function decode(
  fingerprint: string,
  record: Readonly<Record<string, string>>,
): Session | undefined {
  const { userId, userAgent = null, ipAddress = null } = record;
  const integers = integerFields.map((name) => [name, record[name]] as const);
  if (userId === undefined || !integers.every(([, text]) => isInteger(text))) return undefined;
  const numbers = Object.fromEntries(integers.map(([name, text]) => [name, Number(text)]));
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

export function unflatten(flat: FlatRecord): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) record[flat[i] ?? ""] = flat[i + 1] ?? "";
  return record;
}

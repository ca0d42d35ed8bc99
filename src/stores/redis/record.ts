/** A session as the fields of a Redis hash, and back. */
import type { Session } from "../../session/session.ts";
import type { FlatRecord } from "./scripts.ts";

/** Names and values in turn. What is null is left out; the fingerprint is in the key. */
export function encode(session: Session): (string | number)[] {
  return Object.entries(session).flatMap(([name, value]: [string, string | number | null]) =>
    name === "fingerprint" || value === null ? [] : [name, value],
  );
}

/** Throws for a record that is damaged: who gets in must never be a guess. */
export function decode(fingerprint: string, record: Readonly<Record<string, string>>): Session {
  const text = (name: keyof Session): string => {
    const value = record[name];
    if (value === undefined) throw damaged(fingerprint, name);
    return value;
  };
  const integer = (name: keyof Session): number => {
    const value = text(name);
    if (!/^\d{1,15}$/.test(value)) throw damaged(fingerprint, name);
    return Number(value);
  };
  return {
    fingerprint,
    userId: text("userId"),
    generation: integer("generation"),
    createdAt: integer("createdAt"),
    renewedAt: integer("renewedAt"),
    lastSeenAt: integer("lastSeenAt"),
    accessExpiresAt: integer("accessExpiresAt"),
    idleExpiresAt: integer("idleExpiresAt"),
    absoluteExpiresAt: integer("absoluteExpiresAt"),
    graceEndsAt: integer("graceEndsAt"),
    userAgent: record["userAgent"] ?? null,
    ipAddress: record["ipAddress"] ?? null,
  };
}

export function unflatten(flat: FlatRecord): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) record[flat[i] ?? ""] = flat[i + 1] ?? "";
  return record;
}

function damaged(fingerprint: string, name: string): Error {
  return new Error(`The record of session ${fingerprint} is damaged: ${name}`);
}

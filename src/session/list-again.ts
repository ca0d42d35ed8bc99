/** Lists a user's sessions again, and reads the known ones that the list lacks. */
import type { Session } from "./session.ts";
import type { SessionLookup } from "./store.ts";

export interface SessionReads {
  readonly list: (userId: string) => Promise<readonly Session[]>;
  readonly readMany: (fingerprints: readonly string[]) => Promise<readonly SessionLookup[]>;
}

interface ListedAgain {
  /** By fingerprint, newest first. */
  readonly listed: ReadonlyMap<string, Session>;
  /**
   * The known sessions that the list lacks. Some have not ended: a later version may have written a record that
   * this one cannot read, and a failover may have lost an entry of the list.
   */
  readonly missing: ReadonlyMap<string, SessionLookup>;
}

export async function listAgain(
  userId: string,
  known: readonly string[],
  { list, readMany }: SessionReads,
): Promise<ListedAgain> {
  const sessions = await list(userId);
  const listed = new Map(sessions.map((session) => [session.fingerprint, session]));
  const missing = known.filter((fingerprint) => !listed.has(fingerprint));
  const lookups = missing.length > 0 ? await readMany(missing) : [];
  return { listed, missing: new Map(lookups.map((lookup, i) => [missing[i] ?? "", lookup])) };
}

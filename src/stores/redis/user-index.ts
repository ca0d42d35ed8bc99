/** Lists the sessions of each user in Redis. */
import { chunksOf } from "../../lib/in-batches.ts";
import type { Session } from "../../session/session.ts";
import { ignore, type RedisClient } from "./client.ts";
import type { RecordReading } from "./record.ts";

/** Members per page of an index: a page blocks neither Redis nor the event loop for long. */
const pageSize = 100;

/**
 * The index of a user is in another slot of a cluster than the sessions, so both cannot change in one atomic step. It
 * is a hint, and it lists every session that was started, because
 * - a session is listed after its record was written, and its tokens are issued after it is listed. So a
 *   member without a record is a session that has ended for good, and its removal, however late, never
 *   removes a live session;
 * - a member's score, and the minimum TTL of the index, is `absoluteExpiresAt`, which no renewal changes;
 * - if a failover loses entries of the index alone, the next renewal lists the session again. If that comes
 *   after the session has ended, it lists a member without a record, which the next listing removes.
 */
export class UserIndex {
  readonly #client: RedisClient;
  readonly #read: (fingerprint: string) => Promise<RecordReading>;

  constructor(client: RedisClient, read: (fingerprint: string) => Promise<RecordReading>) {
    this.#client = client;
    this.#read = read;
  }

  async add({ userId, fingerprint, absoluteExpiresAt }: Session, now: number): Promise<void> {
    await this.#client.curfewList(userKey(userId), now, absoluteExpiresAt, fingerprint);
  }

  /** The sessions have ended whether or not this succeeds: a later listing removes the members that remain. */
  async remove(userId: string, fingerprints: readonly string[]): Promise<void> {
    await this.#client.zrem(userKey(userId), ...fingerprints).catch(ignore);
  }

  /** The user's sessions, expired or not. */
  async sessions(userId: string): Promise<readonly Session[]> {
    // A scan may return a member twice.
    const sessions = new Map<string, Session>();
    let cursor = "0";
    do {
      const page = await this.#client.zscan(userKey(userId), cursor, "COUNT", pageSize);
      const [next, membersAndScores] = page;
      const fingerprints = membersAndScores.filter((_, i) => i % 2 === 0);
      for (const session of await this.#listed(userId, fingerprints))
        sessions.set(session.fingerprint, session);
      cursor = next;
    } while (cursor !== "0");
    return [...sessions.values()];
  }

  /**
   * Reads the records of members, and removes the members that have none. Leaves out a record that is not understood:
   * it must not keep the user's other sessions from being listed and ended.
   */
  async #listed(userId: string, fingerprints: readonly string[]): Promise<readonly Session[]> {
    const readings: RecordReading[] = [];
    for (const batch of chunksOf(fingerprints, pageSize))
      readings.push(...(await Promise.all(batch.map((fingerprint) => this.#read(fingerprint)))));
    // Whether it expired does not count: another node's clock may be behind and renew it.
    const gone = fingerprints.filter((_, i) => {
      const state = readings[i]?.state;
      return state === "absent" || state === "ended";
    });
    if (gone.length > 0) await this.remove(userId, gone);
    return readings.flatMap((reading) => (reading.state === "session" ? [reading.session] : []));
  }
}

function userKey(userId: string): string {
  return `curfew:user:{${userId}}`;
}

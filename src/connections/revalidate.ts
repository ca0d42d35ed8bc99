/** Reads the sessions of open connections again, and closes connections whose session is over. */
import type { ReportError } from "../lib/report-error.ts";
import { withoutLogContext } from "../lib/log-context.ts";
import type { SessionExpiry } from "../session/session.ts";
import type { Sessions } from "../session/sessions.ts";
import type { SessionLookup, StoreUnavailable } from "../session/store.ts";
import { bulkRead } from "./bulk-read.ts";
import type { Expiry } from "./expiry.ts";
import type { ConnectionObserver } from "./observer.ts";
import { hasOpen, type SessionConnections } from "./session-connections.ts";

export interface RevalidationOptions {
  readonly sessions: Sessions;
  readonly groups: ReadonlyMap<string, SessionConnections>;
  readonly expiry: Expiry;
  /** Monotonic clock (ms). */
  readonly uptime: () => number;
  readonly endSession: (group: SessionConnections) => void;
  readonly observer: ConnectionObserver;
  readonly reportError: ReportError;
}

export class Revalidation {
  readonly #options: RevalidationOptions;
  /** Groups whose session is read at the end of this turn of the event loop. */
  #pendingChecks = new Set<SessionConnections>();

  constructor(options: RevalidationOptions) {
    this.#options = options;
  }

  /**
   * Reads these sessions, ends the connections of ended ones, and closes connections past their deadline.
   *
   * @returns why some sessions are unknown, or undefined when the store answered for all
   */
  async read(groups: Iterable<SessionConnections>): Promise<StoreUnavailable | undefined> {
    const { sessions, uptime } = this.#options;
    const startedAt = uptime();
    return bulkRead(
      Array.from(groups, ({ fingerprint }) => fingerprint),
      {
        read: (fingerprints) => sessions.readMany(fingerprints),
        onLookup: (fingerprint, lookup) => this.#onLookup(fingerprint, lookup, startedAt),
      },
    );
  }

  /** Reads one session soon. Very many deadlines are due at one tick, so they share their reads. */
  schedule(group: SessionConnections): void {
    if (this.#pendingChecks.size === 0)
      queueMicrotask(() => void withoutLogContext(() => this.#readPending()));
    this.#pendingChecks.add(group);
  }

  /** Applies an answer of the store to a read that began at `startedAt` (by `uptime`). */
  confirm(group: SessionConnections, session: SessionExpiry, startedAt: number): void {
    // First, because it throws if an app's store returned an invalid session.
    this.#options.expiry.apply(group, session);
    group.answeredAt = Math.max(group.answeredAt, startedAt);
    group.isStale = false;
  }

  #onLookup(fingerprint: string, lookup: SessionLookup, startedAt: number): void {
    const { groups, expiry, observer, endSession } = this.#options;
    const group = groups.get(fingerprint);
    if (group === undefined) return;
    switch (lookup.state) {
      case "unknown":
        group.isStale = true;
        return;
      case "absent":
        if (hasOpen(group)) observer.missedEndDetected();
        return endSession(group);
      case "live":
        // A renewal may have been received during the read.
        this.confirm(group, lookup.standing, startedAt);
        expiry.close(group, "SESSION_EXPIRED");
    }
  }

  async #readPending(): Promise<void> {
    const { expiry, reportError } = this.#options;
    const groups = this.#pendingChecks;
    this.#pendingChecks = new Set();
    const failure: unknown = await this.read(groups).catch((error: unknown) => error);
    if (failure === undefined) return;
    // Also for a store that breaks its contract: a deadline that is not known to have moved closes its connection.
    for (const group of groups) expiry.close(group, "TRY_AGAIN_LATER");
    reportError("sessions could not be read", failure);
  }
}

/** Closes connections when the tokens presented on them expire or their generation is no longer accepted. */
import type { Deadlines } from "../lib/deadlines.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { SessionExpiry } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import type { CloseQueue } from "./close-queue.ts";
import type { RetryableReason } from "./lifecycle.ts";
import {
  dueConnections,
  earliestDeadline,
  extendByNetwork,
  presentOn,
  supersededConnections,
  type SessionConnections,
  type Connection,
} from "./session-connections.ts";

export interface ExpiryOptions {
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Whether a renewal moves the deadlines of connections in the same network. */
  readonly extendsByNetwork: boolean;
  readonly closeQueue: CloseQueue;
  /** Called at a deadline, to read the session: the message of a renewal may have been lost. */
  readonly onDue: (group: SessionConnections) => void;
}

const noDeadline = () => {};

export class Expiry {
  readonly #options: ExpiryOptions;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  /** Applies the session's state, from the store or from a message. Idempotent; order does not matter. */
  apply(group: SessionConnections, session: SessionExpiry): void {
    const { accessExpiresAt, minGeneration } = session;
    if (minGeneration > group.minGeneration) {
      group.minGeneration = minGeneration;
      this.#options.closeQueue.closeAfterReplies(supersededConnections(group), "SESSION_EXPIRED", {
        isRevoked: true,
      });
    }
    if (accessExpiresAt === group.accessExpiresAt) return;
    group.accessExpiresAt = accessExpiresAt;
    this.#extend(group, group.connections, session);
  }

  /** Applies the session's state to a new connection, although the group may know that state already. */
  add(group: SessionConnections, connection: Connection, session: SessionExpiry): void {
    this.#extend(group, [connection], session);
  }

  /** Applies a token of the session that was presented on one of its connections. */
  present(
    group: SessionConnections,
    connection: Connection,
    claims: Pick<Claims, "generation" | "expiresAt">,
  ): void {
    if (!group.connections.has(connection) || connection.lifecycle.closingFor !== undefined) return;
    presentOn(connection, claims);
    this.#setDeadline(group);
  }

  /** The reason to refuse a connection of a live session; undefined when it may continue. */
  refusal(
    { minGeneration }: SessionConnections,
    { generation, expiresAt }: Connection,
  ): RefusalReason | undefined {
    if (generation < minGeneration) return "SUPERSEDED";
    return expiresAt <= this.#options.clock() ? "EXPIRED" : undefined;
  }

  /** Closes the connections that are past their deadline. */
  close(group: SessionConnections, reason: RetryableReason): void {
    const { clock, closeQueue } = this.#options;
    const now = clock();
    // Called at each recheck, when usually none is due.
    if (earliestDeadline(group) <= now)
      closeQueue.closeAfterReplies(dueConnections(group, now), reason);
    this.#setDeadline(group);
  }

  #extend(
    group: SessionConnections,
    connections: Iterable<Connection>,
    session: SessionExpiry,
  ): void {
    if (this.#options.extendsByNetwork) extendByNetwork(connections, session);
    this.#setDeadline(group);
  }

  #setDeadline(group: SessionConnections): void {
    const { deadlines, clock, onDue } = this.#options;
    const earliest = earliestDeadline(group);
    if (earliest === group.deadline) return;
    group.deadline = earliest;
    group.cancelDeadline();
    group.cancelDeadline = noDeadline;
    if (earliest === Infinity) return;
    group.cancelDeadline = deadlines.set(earliest, () => {
      group.deadline = Infinity;
      if (earliestDeadline(group) <= clock()) onDue(group);
      else this.#setDeadline(group);
    });
  }
}

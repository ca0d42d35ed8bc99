/** Holds connections to the tokens that were shown on them: to their expiry, and to the least generation accepted. */
import type { Deadlines } from "../lib/deadlines.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import type { SessionExpiry } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import { closeAfterAnswers, type Retryable } from "./finish.ts";
import {
  dueConnections,
  earliestDeadline,
  extendByNetwork,
  showOn,
  supersededMembers,
  type SessionConnections,
  type Connection,
} from "./session-connections.ts";
import type { CloseQueue } from "./close-queue.ts";

export interface ExpiryOptions {
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Whether a renewal moves the deadlines of connections from its own network. */
  readonly extendsByNetwork: boolean;
  readonly slices: CloseQueue;
  /** Called when a deadline has come: the message of a renewal may have been lost, so the store has the last word. */
  readonly onDue: (group: SessionConnections) => void;
}

const noDeadline = () => {};

export class Expiry {
  readonly #options: ExpiryOptions;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  /** Carries out what was read or heard of the session, perhaps late, and perhaps once more. */
  apply(group: SessionConnections, standing: SessionExpiry): void {
    const { accessExpiresAt, minGeneration } = standing;
    if (minGeneration > group.minGeneration) {
      group.minGeneration = minGeneration;
      closeAfterAnswers(supersededMembers(group), "SESSION_EXPIRED", this.#options.slices, {
        isRevoked: true,
      });
    }
    if (accessExpiresAt === group.accessExpiresAt) return;
    group.accessExpiresAt = accessExpiresAt;
    this.#extend(group, group.connections, standing);
  }

  /** A member came under the session, with a standing that the group may have known before. */
  add(group: SessionConnections, member: Connection, standing: SessionExpiry): void {
    this.#extend(group, [member], standing);
  }

  /** A token of the session was shown on one of its connections. */
  show(
    group: SessionConnections,
    member: Connection,
    claims: Pick<Claims, "generation" | "expiresAt">,
  ): void {
    if (!group.connections.has(member) || member.lifecycle.closingFor !== undefined) return;
    showOn(member, claims);
    this.#setDeadline(group);
  }

  /** Why a member of a live session may not go on; undefined when it may. */
  refusal(
    { minGeneration }: SessionConnections,
    { generation, expiresAt }: Connection,
  ): RefusalReason | undefined {
    if (generation < minGeneration) return "SUPERSEDED";
    return expiresAt <= this.#options.clock() ? "EXPIRED" : undefined;
  }

  /** Closes the connections whose deadline has come. */
  close(group: SessionConnections, ending: Retryable): void {
    const { clock, slices } = this.#options;
    const now = clock();
    // Asked at each recheck, and mostly none is due.
    if (earliestDeadline(group) <= now)
      closeAfterAnswers(dueConnections(group, now), ending, slices);
    this.#setDeadline(group);
  }

  #extend(group: SessionConnections, members: Iterable<Connection>, standing: SessionExpiry): void {
    if (this.#options.extendsByNetwork) extendByNetwork(members, standing);
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

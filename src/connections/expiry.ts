/** Holds connections to the tokens that were shown on them: to their expiry, and to the least generation accepted. */
import type { Deadlines } from "../lib/deadlines.ts";
import type { RefusalReason } from "../protocol/reasons.ts";
import type { Standing } from "../session/session.ts";
import type { Claims } from "../session/token.ts";
import { finish, type Retryable } from "./finish.ts";
import {
  dueConnections,
  earliestDeadline,
  extendByNetwork,
  showOn,
  supersededMembers,
  type Group,
  type Member,
} from "./session-connections.ts";
import type { Slices } from "./close-queue.ts";

export interface ExpiryOptions {
  readonly deadlines: Deadlines;
  readonly clock: () => number;
  /** Whether a renewal moves the deadlines of connections from its own network. */
  readonly extendsByNetwork: boolean;
  readonly slices: Slices;
  /** Called when a deadline has come: the message of a renewal may have been lost, so the store has the last word. */
  readonly onDue: (group: Group) => void;
}

const noDeadline = () => {};

export class Expiry {
  readonly #options: ExpiryOptions;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  /** Carries out what was read or heard of the session, perhaps late, and perhaps once more. */
  apply(group: Group, standing: Standing): void {
    const { accessExpiresAt, minGeneration } = standing;
    if (minGeneration > group.minGeneration) {
      group.minGeneration = minGeneration;
      finish(supersededMembers(group), "EXPIRED", this.#options.slices, { isRevoked: true });
    }
    if (accessExpiresAt === group.accessExpiresAt) return;
    group.accessExpiresAt = accessExpiresAt;
    this.#extend(group, group.connections, standing);
  }

  /** A member came under the session, with a standing that the group may have known before. */
  add(group: Group, member: Member, standing: Standing): void {
    this.#extend(group, [member], standing);
  }

  /** A token of the session was shown on one of its connections. */
  show(group: Group, member: Member, claims: Pick<Claims, "generation" | "expiresAt">): void {
    if (!group.connections.has(member) || member.life.closing !== undefined) return;
    showOn(member, claims);
    this.#setDeadline(group);
  }

  /** Why a member of a live session may not go on; undefined when it may. */
  refusal({ minGeneration }: Group, { generation, expiresAt }: Member): RefusalReason | undefined {
    if (generation < minGeneration) return "SUPERSEDED";
    return expiresAt <= this.#options.clock() ? "EXPIRED" : undefined;
  }

  /** Closes the connections whose deadline has come. */
  close(group: Group, ending: Retryable): void {
    const { clock, slices } = this.#options;
    const now = clock();
    // Asked at each recheck, and mostly none is due.
    if (earliestDeadline(group) <= now) finish(dueConnections(group, now), ending, slices);
    this.#setDeadline(group);
  }

  #extend(group: Group, members: Iterable<Member>, standing: Standing): void {
    if (this.#options.extendsByNetwork) extendByNetwork(members, standing);
    this.#setDeadline(group);
  }

  #setDeadline(group: Group): void {
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

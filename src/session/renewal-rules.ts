/** Decides what a renewal does to a session: rotation, replay or token reuse. Pure functions. */
import { unknownNetwork } from "../lib/client-network.ts";
import { maxNetworks, tokenExpiries, type Lifetimes, type Session } from "./session.ts";

/** A renewal as the client requested it. */
export interface RenewalRequest {
  /** The generation of the token. */
  readonly generation: number;
  /**
   * The generation of the session when it was read for this renewal: before the decision, perhaps long
   * before. Greater than that of any session if the token was already used up at that read.
   */
  readonly generationAtRead: number;
  /** The client's network: see `sessionNetworkOf`. No replay from an unknown one is foreign. */
  readonly network: string;
  /** Whether foreign replays of {@link maxForeignReplays} generations in a row count as reuse. Default: true. */
  readonly foreignReplaysEnd?: boolean;
}

/** The effect of a renewal on a live session. */
export type RenewalDecision =
  /** The token is current: the session moves to the next generation. */
  | "rotate"
  /** A replay within the grace period: it returns the current pair. */
  | "replay"
  /** The first replay of this generation from a network that the session does not know; returns the current pair. */
  | "foreignReplay"
  /** A used token after its grace period, or one foreign replay too many: the session must be ended. */
  | "reuse"
  /** The token is from before the session was reissued: it is refused and changes nothing. */
  | "superseded";

/** Foreign replays in this many generations in a row count as theft. */
export const maxForeignReplays = 3;

/**
 * Decides what a renewal does.
 *
 * A replay is *foreign* if its network is known and is none of the session's. A thief who renews within the
 * grace period, right after the owner, looks like that. So does an honest client whose response was lost and
 * that retries from another network. Therefore at most one replay per generation counts, and only
 * generations in a row add up.
 *
 * @param now by the clock that wrote the end of the grace period
 */
export function decideRenewal(
  session: Session,
  request: Pick<RenewalRequest, "generation" | "generationAtRead"> & Partial<RenewalRequest>,
  now: number,
): RenewalDecision {
  const {
    generation,
    generationAtRead,
    network = unknownNetwork,
    foreignReplaysEnd = true,
  } = request;
  // First, whatever the caller read: the session may have been reissued after that.
  if (generation < session.minGeneration) return "superseded";
  // A signed token ahead of the store proves that the store lost a renewal, not that a client cheated.
  if (generation >= session.generation) return "rotate";
  // The token was good when the session was read, and another renewal came between. However late this one
  // is carried out, it is concurrent with the other and not a use after it.
  const isConcurrent = generationAtRead < session.generation && generation >= generationAtRead - 1;
  const isInGrace = generation === session.generation - 1 && now < session.graceEndsAt;
  if (!isConcurrent && !isInGrace) return "reuse";
  if (!isForeignReplay(session, network)) return "replay";
  const isOneTooMany = foreignReplaysEnd && foreignReplaysWith(session) >= maxForeignReplays;
  return isOneTooMany ? "reuse" : "foreignReplay";
}

/** Whether a replay from the network counts. */
function isForeignReplay(session: Session, network: string): boolean {
  if (session.foreignReplayGeneration === session.generation) return false;
  const known = session.networks.split(" ").filter((one) => one !== "" && one !== unknownNetwork);
  // If either side is unknown, there is nothing to compare.
  return network !== unknownNetwork && known.length > 0 && !known.includes(network);
}

/** How many generations in a row have a foreign replay, the current one included. */
function foreignReplaysWith(session: Session): number {
  const isInARow = session.foreignReplayGeneration === session.generation - 1;
  return isInARow ? session.foreignReplays + 1 : 1;
}

/** The session with a foreign replay of its current generation counted. */
export function countForeignReplay(session: Session): Session {
  return {
    ...session,
    foreignReplays: foreignReplaysWith(session),
    foreignReplayGeneration: session.generation,
  };
}

/** The session in the generation after that of the token. */
export function rotateSession(
  session: Session,
  { generation, network }: Pick<RenewalRequest, "generation" | "network">,
  lifetimes: Lifetimes,
  now: number,
): Session {
  return {
    ...session,
    generation: generation + 1,
    renewedAt: now,
    lastSeenAt: now,
    ...tokenExpiries(session.absoluteExpiresAt, lifetimes, now),
    graceEndsAt: now + lifetimes.grace,
    networks: addNetwork(session.networks, network),
  };
}

/** Puts the network first. */
function addNetwork(networks: string, network: string): string {
  const others = networks.split(" ").filter((known) => known !== "" && known !== network);
  return [network, ...others].slice(0, maxNetworks).join(" ");
}

/** A request to replace all tokens of a session: see {@link reissueSession}. */
export interface ReissueRequest {
  /** The generation of the caller's token: the store may be behind it if it has lost a renewal. */
  readonly atLeast: number;
  /** The client's network: see `sessionNetworkOf`. */
  readonly network: string;
  /** The user's security version after the change of the password. Default: the session keeps its own */
  readonly securityVersion?: number;
}

/**
 * The session in a generation that no issued token has, with every earlier token refused: it moves on from
 * the current generation and leaves no grace period.
 */
export function reissueSession(
  session: Session,
  { atLeast, network, securityVersion = 0 }: ReissueRequest,
  lifetimes: Lifetimes,
  now: number,
): Session {
  const generation = Math.max(session.generation, atLeast);
  const rotated = rotateSession(session, { generation, network }, lifetimes, now);
  return {
    ...rotated,
    graceEndsAt: now,
    minGeneration: rotated.generation,
    securityVersion: Math.max(session.securityVersion, securityVersion),
  };
}

/** Counts the bytes that long-lived operations keep, and bounds them by operation, session, user and address. */
import { networkOf } from "../lib/client-network.ts";

export interface MemoryLedgerOptions {
  /** Bytes that one session may keep; the other bounds are multiples of it. */
  readonly perSession: number;
  /**
   * Whether one address is bounded too.
   *
   * @default true
   */
  readonly byAddress?: boolean;
}

/** Whose memory it is. */
export interface Owner {
  readonly fingerprint?: string | undefined;
  readonly userId?: string | undefined;
  /** Null where it is unknown: all unknown addresses share a bound. */
  readonly ipAddress: string | null;
}

/** Bytes that were counted, until they are released. */
export interface Charge {
  /** Counts so many bytes instead of the present ones; false, and as before, where that is over a bound. */
  readonly resize: (bytes: number) => boolean;
  readonly release: () => void;
}

/** How many sessions' worth one operation, one user and one address may keep. */
const shares = { operation: 1 / 4, session: 1, user: 4, address: 8 };

/** Addresses whose network is remembered. */
const rememberedAddresses = 1_000;

interface Bound {
  readonly key: string;
  readonly most: number;
}

export class MemoryLedger {
  readonly #most: Readonly<Record<keyof typeof shares, number>>;
  readonly #kept = new Map<string, number>();
  readonly #networks = new Map<string, string>();

  constructor({ perSession, byAddress = true }: MemoryLedgerOptions) {
    this.#most = {
      operation: perSession * shares.operation,
      session: perSession * shares.session,
      user: perSession * shares.user,
      address: byAddress ? perSession * shares.address : Infinity,
    };
  }

  /** Bytes that are counted now, once for each bound that they count against. */
  get size(): number {
    return this.#kept.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** The charge of one operation; undefined, and nothing is counted, where it is over a bound. */
  operation(owner: Owner, bytes: number): Charge | undefined {
    return bytes > this.#most.operation ? undefined : this.charge(owner, bytes);
  }

  /** A charge of something that is no operation. */
  charge(owner: Owner, bytes: number): Charge | undefined {
    const bounds = this.#boundsOf(owner);
    let charged = 0;
    const resize = (to: number): boolean => {
      const more = to - charged;
      if (more > 0 && !bounds.every((bound) => this.#hasRoom(bound, more))) return false;
      charged = to;
      for (const { key } of bounds) this.#add(key, more);
      return true;
    };
    return resize(bytes) ? { resize, release: () => void resize(0) } : undefined;
  }

  #hasRoom({ key, most }: Bound, bytes: number): boolean {
    return (this.#kept.get(key) ?? 0) + bytes <= most;
  }

  #add(key: string, bytes: number): void {
    const kept = (this.#kept.get(key) ?? 0) + bytes;
    if (kept === 0) this.#kept.delete(key);
    else this.#kept.set(key, kept);
  }

  #boundsOf({ fingerprint, userId, ipAddress }: Owner): readonly Bound[] {
    const { session, user, address } = this.#most;
    const bounds: Bound[] = [];
    if (fingerprint !== undefined) bounds.push({ key: `session ${fingerprint}`, most: session });
    if (userId !== undefined) bounds.push({ key: `user ${userId}`, most: user });
    if (address < Infinity)
      bounds.push({ key: `address ${this.#networkOf(ipAddress)}`, most: address });
    return bounds;
  }

  #networkOf(address: string | null): string {
    const name = address ?? "";
    const known = this.#networks.get(name);
    if (known !== undefined) return known;
    if (this.#networks.size >= rememberedAddresses) this.#networks.clear();
    const network = networkOf(address);
    this.#networks.set(name, network);
    return network;
  }
}

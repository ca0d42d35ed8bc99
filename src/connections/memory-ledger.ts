/** Limits the memory of long-lived operations by operation, session, user and client address. */
import { networkOf } from "../lib/client-network.ts";

export interface MemoryLedgerOptions {
  /** Bytes per session; the other limits are multiples of it. */
  readonly perSession: number;
  /**
   * Whether each address is limited too.
   *
   * @default true
   */
  readonly byAddress?: boolean;
}

/** The session, user and address that memory is charged to. */
export interface Owner {
  readonly fingerprint?: string | undefined;
  readonly userId?: string | undefined;
  /** Null when unknown: all unknown addresses share a limit. */
  readonly ipAddress: string | null;
}

/** Reserved memory, until it is released. */
export interface Charge {
  /** Changes the reservation to that many bytes. Returns false, and changes nothing, if a limit is exceeded. */
  readonly resize: (bytes: number) => boolean;
  readonly release: () => void;
}

/** Limits as multiples of the limit per session. */
const shares = { operation: 1 / 4, session: 1, user: 4, address: 8 };

/** Addresses whose network is cached. */
const maxCachedAddresses = 1_000;

interface Limit {
  readonly key: string;
  readonly maxBytes: number;
}

export class MemoryLedger {
  readonly #maxBytes: Readonly<Record<keyof typeof shares, number>>;
  readonly #reserved = new Map<string, number>();
  readonly #networks = new Map<string, string>();

  constructor({ perSession, byAddress = true }: MemoryLedgerOptions) {
    this.#maxBytes = {
      operation: perSession * shares.operation,
      session: perSession * shares.session,
      user: perSession * shares.user,
      address: byAddress ? perSession * shares.address : Infinity,
    };
  }

  /** Reserved bytes, counted once for each limit that they count against. */
  get size(): number {
    return this.#reserved.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Reserves memory for one operation. Returns undefined, and reserves nothing, if a limit is exceeded. */
  operation(owner: Owner, bytes: number): Charge | undefined {
    return bytes > this.#maxBytes.operation ? undefined : this.charge(owner, bytes);
  }

  /** Like `operation`, without the limit per operation: for memory that does not belong to one. */
  charge(owner: Owner, bytes: number): Charge | undefined {
    const limits = this.#limitsOf(owner);
    let charged = 0;
    const resize = (to: number): boolean => {
      const more = to - charged;
      if (more > 0 && !limits.every((limit) => this.#fits(limit, more))) return false;
      charged = to;
      for (const { key } of limits) this.#add(key, more);
      return true;
    };
    return resize(bytes) ? { resize, release: () => void resize(0) } : undefined;
  }

  #fits({ key, maxBytes }: Limit, bytes: number): boolean {
    return (this.#reserved.get(key) ?? 0) + bytes <= maxBytes;
  }

  #add(key: string, bytes: number): void {
    const reserved = (this.#reserved.get(key) ?? 0) + bytes;
    if (reserved === 0) this.#reserved.delete(key);
    else this.#reserved.set(key, reserved);
  }

  #limitsOf({ fingerprint, userId, ipAddress }: Owner): readonly Limit[] {
    const { session, user, address } = this.#maxBytes;
    const limits: Limit[] = [];
    if (fingerprint !== undefined)
      limits.push({ key: `session ${fingerprint}`, maxBytes: session });
    if (userId !== undefined) limits.push({ key: `user ${userId}`, maxBytes: user });
    if (address < Infinity)
      limits.push({ key: `address ${this.#networkOf(ipAddress)}`, maxBytes: address });
    return limits;
  }

  #networkOf(address: string | null): string {
    const name = address ?? "";
    const cached = this.#networks.get(name);
    if (cached !== undefined) return cached;
    if (this.#networks.size >= maxCachedAddresses) this.#networks.clear();
    const network = networkOf(address);
    this.#networks.set(name, network);
    return network;
  }
}

/** Charges a socket for what waits to be sent on it. */
import type { Charge, MemoryLedger, Owner } from "../connections/memory-ledger.ts";

/** Bytes that may wait on each socket without being counted: more than a client that reads ever lets wait. */
const uncounted = 64 * 1024;

export class Backlog {
  readonly #ledger: MemoryLedger;
  readonly #ownerOf: () => Owner;
  #charge: Charge | undefined;

  constructor(ledger: MemoryLedger, ownerOf: () => Owner) {
    this.#ledger = ledger;
    this.#ownerOf = ownerOf;
  }

  /** So many bytes wait now; false where that is more than may be kept. */
  update(bytes: number): boolean {
    if (bytes <= uncounted) {
      this.release();
      return true;
    }
    if (this.#charge !== undefined) return this.#charge.resize(bytes);
    this.#charge = this.#ledger.charge(this.#ownerOf(), bytes);
    return this.#charge !== undefined;
  }

  release(): void {
    this.#charge?.release();
    this.#charge = undefined;
  }
}

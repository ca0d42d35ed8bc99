/** Accounts for the bytes that wait to be sent on a socket. */
import type { Charge, MemoryLedger, Owner } from "../connections/memory-ledger.ts";

/** Waiting bytes per socket that are not counted: more than a client that reads ever has waiting. */
const uncountedBacklog = 64 * 1024;

export class Backlog {
  readonly #ledger: MemoryLedger;
  readonly #ownerOf: () => Owner;
  #charge: Charge | undefined;

  constructor(ledger: MemoryLedger, ownerOf: () => Owner) {
    this.#ledger = ledger;
    this.#ownerOf = ownerOf;
  }

  /** Sets the number of waiting bytes. Returns false if a memory limit is exceeded. */
  update(bytes: number): boolean {
    if (bytes <= uncountedBacklog) {
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

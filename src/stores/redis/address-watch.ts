/** Detects that the address of Redis leads to another server. The links stay with the one that they were opened to. */
import type { StoreIdentity } from "./store-identity.ts";

export const elsewhere = "the address leads to another server";

export class AddressWatch {
  readonly #locate: () => Promise<string | undefined>;
  #wasElsewhere = false;

  /** @param locate reads the run id of the server that the address leads to now */
  constructor(locate: () => Promise<string | undefined>) {
    this.#locate = locate;
  }

  /**
   * Resolves to true once. If the links still lead to another server the next time, new links do not help, because
   * the address leads to several servers.
   *
   * @param reread reads the identity of the links' server again
   */
  async leadsElsewhere(identity: StoreIdentity, reread: () => Promise<void>): Promise<boolean> {
    const located = await this.#locate();
    // The server may have been restarted since the last reading.
    if (located !== undefined && located !== identity.runId) await reread();
    const { runId } = identity;
    if (located === undefined || runId === undefined) return false;
    const isElsewhere = located !== runId;
    const isNew = isElsewhere && !this.#wasElsewhere;
    this.#wasElsewhere = isElsewhere;
    return isNew;
  }
}

/** Places for connections on this node: so many in all, and so many for each address, which leaves some for others. */
import type { Life } from "../session/life.ts";
import { networkOf } from "../session/network.ts";

export interface PlacesOptions {
  /** For all of one address, as `networkOf` counts them. Infinity sets no limit. */
  readonly each: number;
  /** @default Infinity */
  readonly all?: number;
}

export class Places {
  readonly #each: number;
  readonly #all: number;
  readonly #taken = new Map<string, Set<Life>>();
  #count = 0;

  constructor({ each, all = Infinity }: PlacesOptions) {
    this.#each = each;
    this.#all = all;
  }

  /**
   * Takes a place, until `leave`.
   *
   * @returns whether there was one
   */
  take(address: string | null, life: Life): boolean {
    const network = networkOf(address);
    const lives = this.#taken.get(network) ?? new Set();
    if (lives.size >= this.#each || this.#count >= this.#all) return false;
    this.#taken.set(network, lives.add(life));
    this.#count += 1;
    return true;
  }

  /** Gives the place back; where there is none any more, nothing. */
  leave(address: string | null, life: Life): void {
    const network = networkOf(address);
    const lives = this.#taken.get(network);
    if (lives?.delete(life) !== true) return;
    this.#count -= 1;
    if (lives.size === 0) this.#taken.delete(network);
  }
}

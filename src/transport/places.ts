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
   * Takes a place until the life ends.
   *
   * @returns what gives it back sooner; undefined when there is none
   */
  take(address: string | null, life: Life): (() => void) | undefined {
    const network = networkOf(address);
    const lives = this.#taken.get(network) ?? new Set();
    if (lives.size >= this.#each || this.#count >= this.#all) return undefined;
    this.#taken.set(network, lives.add(life));
    this.#count += 1;
    const leave = () => {
      if (!lives.delete(life)) return;
      this.#count -= 1;
      if (lives.size === 0) this.#taken.delete(network);
    };
    life.onEnd(leave);
    return leave;
  }
}

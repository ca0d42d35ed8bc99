/** Limits open connections on this node: in all, for each client address, and for the IPv6 networks around it. */
import type { Life } from "./lifecycle.ts";
import { countedNetworksOf, networkPathOf } from "../lib/client-network.ts";

export interface PlacesOptions {
  /**
   * For one address, as `networkOf` counts it. A wider IPv6 network has a multiple of it, but no more than
   * half of `all`. Infinity sets no limit.
   */
  readonly each: number;
  /** @default Infinity */
  readonly all?: number;
  /**
   * When all places are taken, a newcomer whose networks are below their limits displaces a connection that
   * is not held: the oldest one of the widest network that has the most of them.
   *
   * @default false: the newcomer is refused
   */
  readonly displaces?: boolean;
}

export class Places {
  readonly #each: number;
  readonly #all: number;
  readonly #displaces: boolean;
  readonly #lives = new Set<Life>();
  /** Places taken, by network. */
  readonly #taken = new Map<string, number>();
  /** The connections that a newcomer may displace, with their addresses, by widest network; the oldest first. */
  readonly #displaceable = new Map<string, Map<Life, string | null>>();

  constructor({ each, all = Infinity, displaces = false }: PlacesOptions) {
    this.#each = each;
    this.#all = all;
    this.#displaces = displaces;
  }

  /**
   * Takes a place, until `leave`. A connection that is displaced for it ends with `TOO_MANY`.
   *
   * @returns whether there was one
   */
  take(address: string | null, life: Life): boolean {
    const networks = countedNetworksOf(address);
    if (networks.some(({ name, share }) => this.#countOf(name) >= this.#limitFor(share)))
      return false;
    if (this.#lives.size >= this.#all && !this.#displaceOne()) return false;
    this.#lives.add(life);
    for (const { name } of networks) this.#taken.set(name, this.#countOf(name) + 1);
    if (this.#displaces) {
      const widest = widestOf(address);
      const lives = this.#displaceable.get(widest) ?? new Map<Life, string | null>();
      this.#displaceable.set(widest, lives.set(life, address));
    }
    return true;
  }

  /** Keeps a connection in its place: no newcomer displaces it from now on. */
  hold(address: string | null, life: Life): void {
    const widest = widestOf(address);
    const lives = this.#displaceable.get(widest);
    if (lives?.delete(life) === true && lives.size === 0) this.#displaceable.delete(widest);
  }

  /** Gives the place back; does nothing where the connection has none. */
  leave(address: string | null, life: Life): void {
    if (!this.#lives.delete(life)) return;
    this.hold(address, life);
    for (const { name } of countedNetworksOf(address)) {
      const left = this.#countOf(name) - 1;
      if (left > 0) this.#taken.set(name, left);
      else this.#taken.delete(name);
    }
  }

  #displaceOne(): boolean {
    let largest: ReadonlyMap<Life, string | null> = new Map();
    for (const lives of this.#displaceable.values()) if (lives.size > largest.size) largest = lives;
    for (const [life, address] of largest) {
      // Its place is free at once, whenever its end is heard of.
      this.leave(address, life);
      life.end("TOO_MANY");
      return true;
    }
    return false;
  }

  #countOf(network: string): number {
    return this.#taken.get(network) ?? 0;
  }

  #limitFor(share: number): number {
    const limit = this.#each * share;
    // At least one network more than the one that is counted finds room.
    return share === 1 ? limit : Math.min(limit, Math.max(this.#each, this.#all / 2));
  }
}

function widestOf(address: string | null): string {
  return networkPathOf(address)[0] ?? "";
}

/** Limits open connections on this node: in all, for each client address, and for the IPv6 networks around it. */
import type { ConnectionLifecycle } from "./lifecycle.ts";
import { countedNetworksOf, networkPathOf } from "../lib/client-network.ts";

export interface ConnectionLimiterOptions {
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

export class ConnectionLimiter {
  readonly #each: number;
  readonly #all: number;
  readonly #displaces: boolean;
  readonly #connections = new Set<ConnectionLifecycle>();
  /** Places taken, by network. */
  readonly #taken = new Map<string, number>();
  /** The connections that a newcomer may displace, with their addresses, by widest network; the oldest first. */
  readonly #displaceable = new Map<string, Map<ConnectionLifecycle, string | null>>();

  constructor({ each, all = Infinity, displaces = false }: ConnectionLimiterOptions) {
    this.#each = each;
    this.#all = all;
    this.#displaces = displaces;
  }

  /**
   * Takes a place, until `leave`. A connection that is displaced for it ends with `TOO_MANY`.
   *
   * @returns whether there was one
   */
  acquire(address: string | null, lifecycle: ConnectionLifecycle): boolean {
    const networks = countedNetworksOf(address);
    if (networks.some(({ name, share }) => this.#countOf(name) >= this.#limitFor(share)))
      return false;
    if (this.#connections.size >= this.#all && !this.#displaceOne()) return false;
    this.#connections.add(lifecycle);
    for (const { name } of networks) this.#taken.set(name, this.#countOf(name) + 1);
    if (this.#displaces) {
      const widest = widestOf(address);
      const connections =
        this.#displaceable.get(widest) ?? new Map<ConnectionLifecycle, string | null>();
      this.#displaceable.set(widest, connections.set(lifecycle, address));
    }
    return true;
  }

  /** Keeps a connection in its place: no newcomer displaces it from now on. */
  protect(address: string | null, lifecycle: ConnectionLifecycle): void {
    const widest = widestOf(address);
    const connections = this.#displaceable.get(widest);
    if (connections?.delete(lifecycle) === true && connections.size === 0)
      this.#displaceable.delete(widest);
  }

  /** Gives the place back; does nothing where the connection has none. */
  release(address: string | null, lifecycle: ConnectionLifecycle): void {
    if (!this.#connections.delete(lifecycle)) return;
    this.protect(address, lifecycle);
    for (const { name } of countedNetworksOf(address)) {
      const left = this.#countOf(name) - 1;
      if (left > 0) this.#taken.set(name, left);
      else this.#taken.delete(name);
    }
  }

  #displaceOne(): boolean {
    let largest: ReadonlyMap<ConnectionLifecycle, string | null> = new Map();
    for (const connections of this.#displaceable.values())
      if (connections.size > largest.size) largest = connections;
    for (const [lifecycle, address] of largest) {
      // Its place is free at once, whenever its end is heard of.
      this.release(address, lifecycle);
      lifecycle.end("TOO_MANY_CONNECTIONS");
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

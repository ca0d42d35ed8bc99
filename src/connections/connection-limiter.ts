/** Limits the open connections of a node: in total, per client address, and per IPv6 network around the address. */
import type { ConnectionLifecycle } from "./lifecycle.ts";
import { countedNetworksOf, networkPathOf } from "../lib/client-network.ts";

export interface ConnectionLimiterOptions {
  /**
   * Limit per address, as `networkOf` counts it. A wider IPv6 network has a multiple of it, but at most half of
   * `all`. Infinity means no limit.
   */
  readonly each: number;
  /**
   * Total limit.
   *
   * @default Infinity
   */
  readonly all?: number;
  /**
   * When the total limit is reached, whether a new connection whose networks are below their limits displaces a
   * connection that is not protected: the oldest one of the widest network that has the most of them.
   *
   * @default false: the new connection is refused
   */
  readonly displaces?: boolean;
}

export class ConnectionLimiter {
  readonly #each: number;
  readonly #all: number;
  readonly #displaces: boolean;
  readonly #connections = new Set<ConnectionLifecycle>();
  /** Number of connections by network. */
  readonly #counts = new Map<string, number>();
  /** Connections that may be displaced, with their addresses, by widest network; the oldest first. */
  readonly #displaceable = new Map<string, Map<ConnectionLifecycle, string | null>>();

  constructor({ each, all = Infinity, displaces = false }: ConnectionLimiterOptions) {
    this.#each = each;
    this.#all = all;
    this.#displaces = displaces;
  }

  /**
   * Counts a connection until `release`. A connection that it displaces ends with `TOO_MANY_CONNECTIONS`.
   *
   * @returns false, and counts nothing, when a limit is reached
   */
  acquire(address: string | null, lifecycle: ConnectionLifecycle): boolean {
    const networks = countedNetworksOf(address);
    if (networks.some(({ name, share }) => this.#countOf(name) >= this.#limitFor(share)))
      return false;
    if (this.#connections.size >= this.#all && !this.#displaceOne()) return false;
    this.#connections.add(lifecycle);
    for (const { name } of networks) this.#counts.set(name, this.#countOf(name) + 1);
    if (this.#displaces) {
      const widest = widestOf(address);
      const connections =
        this.#displaceable.get(widest) ?? new Map<ConnectionLifecycle, string | null>();
      this.#displaceable.set(widest, connections.set(lifecycle, address));
    }
    return true;
  }

  /** Excludes a connection from displacement. */
  protect(address: string | null, lifecycle: ConnectionLifecycle): void {
    const widest = widestOf(address);
    const connections = this.#displaceable.get(widest);
    if (connections?.delete(lifecycle) === true && connections.size === 0)
      this.#displaceable.delete(widest);
  }

  /** Stops counting a connection. Does nothing if it is not counted. */
  release(address: string | null, lifecycle: ConnectionLifecycle): void {
    if (!this.#connections.delete(lifecycle)) return;
    this.protect(address, lifecycle);
    for (const { name } of countedNetworksOf(address)) {
      const left = this.#countOf(name) - 1;
      if (left > 0) this.#counts.set(name, left);
      else this.#counts.delete(name);
    }
  }

  #displaceOne(): boolean {
    let largest: ReadonlyMap<ConnectionLifecycle, string | null> = new Map();
    for (const connections of this.#displaceable.values())
      if (connections.size > largest.size) largest = connections;
    for (const [lifecycle, address] of largest) {
      // Not counted from now on, whenever the listeners of its end are called.
      this.release(address, lifecycle);
      lifecycle.end("TOO_MANY_CONNECTIONS");
      return true;
    }
    return false;
  }

  #countOf(network: string): number {
    return this.#counts.get(network) ?? 0;
  }

  #limitFor(share: number): number {
    const limit = this.#each * share;
    // A wider network leaves connections to at least one other network.
    return share === 1 ? limit : Math.min(limit, Math.max(this.#each, this.#all / 2));
  }
}

function widestOf(address: string | null): string {
  return networkPathOf(address)[0] ?? "";
}

/** Ends sessions over connections of their own, and waits until replicas have the ends. */
import { Cluster, type Redis } from "ioredis";
import { hostAndPort } from "./address.ts";
import { closeClient, type RedisClient } from "./client.ts";
import { defineScripts } from "./scripts.ts";

export interface ReplicatedOptions {
  /** How many replicas must have an end. */
  readonly replicas: number;
  /** How long to wait for them (ms). */
  readonly timeout: number;
}

/**
 * `WAIT` covers the earlier writes of its connection and blocks the later ones, so ends need a connection to each
 * master that nothing else uses. It cannot be part of a script.
 */
export class ReplicatedClient {
  /** Sends the ends. */
  readonly client: RedisClient;
  readonly #options: ReplicatedOptions;

  /** Takes ownership of the client, which does not pipeline by itself. */
  constructor(client: RedisClient, options: ReplicatedOptions) {
    defineScripts(client);
    this.client = client;
    this.#options = options;
  }

  /**
   * Resolves when the replicas of the key's master have all earlier writes of this client.
   *
   * @throws {Error} if too few of them have: it is unknown whether the writes survive a failover.
   */
  async acknowledged(key: string): Promise<void> {
    const { replicas, timeout } = this.#options;
    const master = await this.#masterOf(key);
    const count = Number(await master.call("WAIT", replicas, timeout));
    if (count < replicas)
      throw new Error(`${count} of ${replicas} replicas acknowledged within ${timeout} ms`);
  }

  async close(): Promise<void> {
    await closeClient(this.client);
  }

  async #masterOf(key: string): Promise<Redis> {
    const { client } = this;
    if (!(client instanceof Cluster)) return client;
    const name = client.slots[await client.cluster("KEYSLOT", key)]?.[0];
    const master = client
      .nodes("master")
      .find(({ options: { host = "", port = 0 } }) => hostAndPort({ host, port }) === name);
    if (master === undefined) throw new Error("The master of the session is not connected");
    return master;
  }
}

/** Waits until replicas have the ends of sessions, over connections of its own. */
import DataLoader from "dataloader";
import { Cluster, type Redis } from "ioredis";
import { closeClient, type RedisClient } from "./client.ts";
import { commandLinks, masterOf, nodeName } from "./command-links.ts";
import { endScript, type EndArguments } from "./scripts.ts";

export interface ReplicatedOptions {
  /** How many replicas must have an end. */
  readonly replicas: number;
  /** How long to wait for them (ms). */
  readonly timeout: number;
}

interface ReplicatedEnd {
  readonly end: EndArguments;
  /** Another node of the cluster has referred to this one, and still has the slot. */
  readonly asking: boolean;
}

/** How many nodes of a cluster may refer an end to another one. */
const maxRedirections = 5;

/**
 * `WAIT` covers the earlier writes of its connection, and blocks the later commands. So the store ends a session over
 * its own connection first, which nothing holds up. Then this ends it again over another one, in rounds: all ends that
 * came during a round go into the next, with one `WAIT`. Ending a session again changes nothing, unless a failover
 * lost the end meanwhile.
 */
export class ReplicatedEnds {
  readonly #client: RedisClient;
  readonly #options: ReplicatedOptions;
  readonly #rounds = new WeakMap<Redis, DataLoader<ReplicatedEnd, undefined>>();

  /** Takes ownership of the client, which nothing else uses and which does not pipeline by itself. */
  constructor(client: RedisClient, options: ReplicatedOptions) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * Resolves when the replicas of the session's master have the end, after one round or two.
   *
   * @throws {Error} if too few of them have: it is unknown whether the end survives a failover.
   */
  async endAgain(end: EndArguments): Promise<void> {
    let node = this.#masterOf(end[0]);
    let asking = false;
    for (let redirections = 0; ; redirections += 1)
      try {
        return await this.#roundsOf(node).load({ end, asking });
      } catch (error) {
        const [, kind, address] = /^(MOVED|ASK) \d+ (\S+)$/.exec(messageOf(error)) ?? [];
        if (address === undefined || redirections === maxRedirections) throw error;
        node = this.#nodeAt(address);
        asking = kind === "ASK";
      }
  }

  async close(): Promise<void> {
    await closeClient(this.#client);
  }

  #masterOf(key: string): Redis {
    if (!(this.#client instanceof Cluster)) return this.#client;
    return this.#nodeAt(masterOf(this.#client, key));
  }

  #nodeAt(address: string | undefined): Redis {
    const node = commandLinks(this.#client).find((link) => nodeName(link) === address);
    if (node === undefined) throw new Error("The master of the session is not connected");
    return node;
  }

  #roundsOf(node: Redis): DataLoader<ReplicatedEnd, undefined> {
    const known = this.#rounds.get(node);
    if (known !== undefined) return known;
    let last: Promise<unknown> = Promise.resolve();
    const rounds = new DataLoader<ReplicatedEnd, undefined>(
      (ends) => {
        const round = this.#round(node, ends);
        last = round.catch(() => {});
        return round;
      },
      {
        cache: false,
        batchScheduleFn: (start) => void last.then(() => setImmediate(start)),
      },
    );
    this.#rounds.set(node, rounds);
    return rounds;
  }

  /** Returns for each end why it is unknown whether the replicas have it. */
  async #round(
    node: Redis,
    ends: readonly ReplicatedEnd[],
  ): Promise<readonly (Error | undefined)[]> {
    const { replicas, timeout } = this.#options;
    const pipeline = node.pipeline();
    const positions = ends.map(({ end, asking }) => {
      if (asking) pipeline.asking();
      // Not EVALSHA: if Redis has forgotten the script, the second attempt would come after WAIT.
      pipeline.eval(endScript, 1, ...end);
      return pipeline.length - 1;
    });
    pipeline.call("WAIT", replicas, timeout);
    const replies = (await pipeline.exec()) ?? [];
    const [failure, count] = replies.at(-1) ?? [new Error("Redis did not reply")];
    const tooFew =
      Number(count) >= replicas
        ? undefined
        : new Error(`${Number(count)} of ${replicas} replicas confirmed within ${timeout} ms`);
    return positions.map((position) => replies[position]?.[0] ?? failure ?? tooFew);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

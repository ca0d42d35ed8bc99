/** Follows the events of the links to Redis, and keeps the state of each with the cause of a loss. */
import { Cluster, type Redis } from "ioredis";
import type { RedisClient } from "./client.ts";
import { isConnected, lostMasters, nodeName } from "./command-links.ts";
import { LinkState, type LinkName, type LinkObserver, type Problem } from "./link-state.ts";
import type { ProbeSubscription } from "./probe-subscription.ts";
import { causeOf } from "./reply-errors.ts";

export interface LinkMonitorOptions {
  readonly commands: RedisClient;
  readonly subscriber: Redis | undefined;
  readonly subscription: ProbeSubscription | undefined;
  /** Milliseconds. */
  readonly linkTimeout: number;
  readonly observer: LinkObserver;
  /** A connection for commands can be used, for the first time or again. */
  readonly onNewLink: () => void;
  /** A master of a cluster cannot be reached any more. */
  readonly onMasterLost?: () => void;
  /** The link for commands was lost and can be used again. */
  readonly onCommandsReturned?: () => void;
}

/** Long enough never to elapse. To a timer, infinity is 1 ms. */
const noTimeout = 2 ** 31 - 1;

export class LinkMonitor {
  /** The causes for which Redis refuses commands at present, although the connection works. */
  readonly refusals: Partial<Record<LinkName, string | undefined>> = {};
  /** Why the probe replaced the subscriber's connection. Stays until messages arrive again. */
  fault: string | undefined;
  readonly #options: LinkMonitorOptions;
  readonly #states: Readonly<Record<LinkName, LinkState>>;
  /** The connections whose events are followed, each with a function that stops that. */
  readonly #followed = new Map<Redis, () => void>();
  /** The last errors since the link could be used, by the node of a cluster, and by connection otherwise. */
  readonly #errors = new Map<unknown, string>();
  #isClosed = false;

  constructor(options: LinkMonitorOptions) {
    this.#options = options;
    const { commands, subscriber, observer } = options;
    const clock = () => performance.now();
    this.#states = {
      commands: new LinkState("commands", observer, clock),
      subscriber: new LinkState("subscriber", observer, clock),
    };
    if (subscriber) this.#follow(subscriber, () => {});
    if (commands instanceof Cluster) this.#followCluster(commands);
    else this.#follow(commands, options.onNewLink);
  }

  /** Reports the first state of the links. */
  begin(): void {
    const { observer, subscriber } = this.#options;
    observer.linkChanged("commands", true);
    if (subscriber) observer.linkChanged("subscriber", true);
    this.assess();
  }

  problemOf(link: LinkName): Problem | undefined {
    return link === "commands" ? this.#commandsProblem() : this.#subscriberProblem();
  }

  /** Compares the states of the links with what was reported, and reports changes. */
  readonly assess = (): void => {
    if (this.#isClosed) return;
    const { commands, subscriber } = this.#states;
    const wasUp = commands.isUp;
    commands.update(this.#commandsProblem());
    subscriber.update(this.#subscriberProblem());
    if (!wasUp && commands.isUp) this.#options.onCommandsReturned?.();
    if (wasUp && !commands.isUp && this.#options.commands instanceof Cluster)
      this.#options.onMasterLost?.();
  };

  close(): void {
    this.#isClosed = true;
    for (const unfollow of this.#followed.values()) unfollow();
    const { commands } = this.#options;
    if (commands instanceof Cluster)
      commands
        .off("+node", this.#nodeAdded)
        .off("-node", this.#nodeRemoved)
        .off("node error", this.#nodeFailed)
        .off("error", this.#clusterFailed)
        .off("ready", this.assess)
        .off("close", this.assess);
  }

  #commandsProblem(): Problem | undefined {
    const { commands } = this.#options;
    if (isConnected(commands)) {
      const cause = this.refusals.commands;
      return cause === undefined ? undefined : { cause };
    }
    const lost = commands instanceof Cluster ? [...lostMasters(commands), commands] : [commands];
    const errors = lost.flatMap((key) => this.#errors.get(key) ?? []);
    return { cause: errors[0] };
  }

  #subscriberProblem(): Problem | undefined {
    const { subscriber, subscription } = this.#options;
    if (subscriber === undefined) return undefined;
    if (subscriber.status !== "ready") return { cause: this.#errors.get(subscriber) ?? this.fault };
    if (subscription?.connection === undefined) return { cause: subscription?.refusal };
    const cause = subscription.refusal ?? this.refusals.subscriber ?? this.fault;
    return cause === undefined ? undefined : { cause };
  }

  /**
   * While the link can be used, the probe judges whether it is dead, because ioredis would close a link whose replies
   * wait unread after a stall of the event loop. ioredis's own time-out holds while it connects.
   */
  #follow(link: Redis, onReady: () => void): void {
    if (this.#followed.has(link)) return;
    const trust = (): void => void (link.options.socketTimeout = noTimeout);
    const ready = (): void => {
      trust();
      this.#errors.delete(link);
      onReady();
      this.assess();
    };
    const close = (): void => {
      link.options.socketTimeout = this.#options.linkTimeout;
      this.assess();
    };
    const error = (reason: unknown): void => {
      this.#errors.set(link, causeOf(reason));
      this.assess();
    };
    link.on("ready", ready).on("close", close).on("error", error);
    if (link.status === "ready") trust();
    this.#followed.set(link, () => {
      link.off("ready", ready).off("close", close).off("error", error);
      link.options.socketTimeout = this.#options.linkTimeout;
    });
  }

  #followCluster(cluster: Cluster): void {
    cluster
      .on("+node", this.#nodeAdded)
      .on("-node", this.#nodeRemoved)
      .on("node error", this.#nodeFailed)
      .on("error", this.#clusterFailed)
      .on("ready", this.assess)
      .on("close", this.assess);
    for (const node of cluster.nodes()) this.#nodeAdded(node);
  }

  readonly #nodeAdded = (node: Redis): void => {
    this.#follow(node, () => {
      this.#errors.delete(nodeName(node));
      this.#options.onNewLink();
    });
  };

  readonly #nodeRemoved = (node: Redis): void => {
    this.#followed.get(node)?.();
    this.#followed.delete(node);
    this.#errors.delete(node);
    this.assess();
  };

  readonly #nodeFailed = (reason: unknown, name: string): void => {
    this.#errors.set(name, `${name}: ${causeOf(reason)}`);
    this.assess();
  };

  readonly #clusterFailed = (reason: unknown): void => {
    this.#errors.set(this.#options.commands, causeOf(reason));
    this.assess();
  };
}

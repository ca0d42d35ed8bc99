/** Judges the links to Redis by delivery, replaces dead or misdirected ones, and reports their state. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Cluster, type Redis } from "ioredis";
import { callSafely } from "../../lib/report-error.ts";
import { sharedFor } from "../../lib/shared-for.ts";
import { timedOut, withTimeout } from "../../lib/timeout.ts";
import { StoreUnavailable } from "../../session/store.ts";
import { AddressWatch, elsewhere } from "./address-watch.ts";
import { ignore, isStale } from "./client.ts";
import {
  destroyLink,
  isConnected,
  isSilentSince,
  lostMasters,
  readyLinks,
} from "./command-links.ts";
import { Deliveries, type Delivery } from "./deliveries.ts";
import type { LinkProbeOptions, StoreReplacements } from "./link-probe-options.ts";
import { LinkMonitor } from "./link-monitor.ts";
import type { LinkName } from "./link-state.ts";
import { ProbeSubscription, sendPing, type Ping } from "./probe-subscription.ts";
import { allTrials, essentialTrials, refusalOf, tryOut } from "./rights.ts";
import { noAnswer, tryAtStart, unheard, type DeliveryResult } from "./start-trial.ts";
import { StoreIdentity } from "./store-identity.ts";

/** A timer that is later than this (ms) means that the event loop stalled: replies may be waiting unread. */
const stallThreshold = 500;

/** Rounds between two trials of rights, and between two readings of the servers' identity. */
const roundsBetweenTrials = 5;

/** Rounds between two checks where the address leads. */
const roundsBetweenAddressChecks = 10;

/** The shortest time between two checks that `/ready` causes (ms). Those in between share the result. */
const checkInterval = 1_000;

/**
 * Publishes a message on each link for commands every `probeInterval`, and expects it on the subscriber.
 *
 * - A link that receives nothing for `linkTimeout` while a reply is due is replaced.
 * - If messages are acknowledged and do not arrive, the subscriber is replaced: the links may lead to different
 *   servers. If they do not arrive on the new one either, the links for commands are replaced as well.
 * - If a new connection leads to another server, both links are replaced.
 * - A round during which the event loop stalled is not judged.
 */
export class LinkProbe implements StoreReplacements {
  readonly #options: LinkProbeOptions;
  readonly #deliveries: Deliveries;
  readonly #subscription: ProbeSubscription | undefined;
  readonly #monitor: LinkMonitor;
  readonly #identity = new StoreIdentity();
  readonly #address: AddressWatch | undefined;
  readonly #replacedListeners = new Set<() => void>();
  readonly #checkCommands = sharedFor(checkInterval, () => this.#tryEssentials());
  readonly #checkDelivery = sharedFor(checkInterval, () => this.#tryDelivery());
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Infinity;
  #rounds = 0;
  #stalls = 0;
  /** Subscribers in a row on which messages did not arrive. */
  #unheardSubscribers = 0;
  #isIdentityDue = true;
  #wasReplica = false;
  #isClosed = false;

  private constructor(options: LinkProbeOptions) {
    this.#options = options;
    const { subscriber, channel } = options;
    this.#deliveries = new Deliveries(channel);
    this.#address = options.locate && new AddressWatch(options.locate);
    this.#subscription =
      subscriber &&
      new ProbeSubscription({
        subscriber,
        channel,
        onMessage: (text) => this.#deliveries.hear(text),
        onChange: (isNew) => this.#subscriptionChanged(isNew),
      });
    this.#monitor = new LinkMonitor({
      ...options,
      subscriber,
      subscription: this.#subscription,
      linkTimeout: options.limits.linkTimeout,
      onNewLink: () => this.#newLink(),
    });
  }

  /**
   * Starts to probe. Tries before that what the node needs: all commands on each master, and delivery.
   *
   * @throws {Error} that names what Redis refuses; or if the server is a replica, or messages do not arrive
   */
  static async start(options: LinkProbeOptions): Promise<LinkProbe> {
    const probe = new LinkProbe(options);
    try {
      await probe.#begin();
      return probe;
    } catch (error) {
      probe.close();
      throw error;
    }
  }

  onReplaced(listener: () => void): () => void {
    const call = (): void => listener();
    this.#replacedListeners.add(call);
    return () => this.#replacedListeners.delete(call);
  }

  /** Readiness: rejects unless each master executes commands, writes and scripts. */
  async pingCommands(): Promise<void> {
    if (isConnected(this.#options.commands)) await this.#checkCommands();
    this.#throwProblemOf("commands");
  }

  /** Readiness: rejects unless Redis accepts subscriptions, and a message that is published now arrives. */
  async pingSubscriber(): Promise<void> {
    const isSubscribed = this.#subscription?.connection !== undefined;
    if (isSubscribed && !(await this.#checkDelivery())) throw new StoreUnavailable(unheard);
    this.#throwProblemOf("subscriber");
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#subscription?.close();
    this.#monitor.close();
    this.#replacedListeners.clear();
  }

  async #begin(): Promise<void> {
    const { serverName, commands, id, limits, trials = [] } = this.#options;
    const refusal = await tryAtStart({
      serverName,
      limits,
      isReplica: async () => (await this.#identity.read(commands)).isReplica,
      tryRights: () => tryOut(commands, id, [...allTrials, ...trials]),
      deliver: () => this.#deliver(),
    });
    this.#isIdentityDue = false;
    this.#monitor.refusals.commands = refusal?.cause;
    this.#monitor.begin();
    this.#schedule();
  }

  async #deliver(): Promise<DeliveryResult> {
    if (this.#subscription === undefined) return "delivered";
    const isDelivered = this.#subscription.connection !== undefined && (await this.#round());
    const refusal = this.#subscription.refusal ?? this.#monitor.refusals.subscriber;
    if (refusal !== undefined) return { refusal };
    return isDelivered ? "delivered" : "not yet";
  }

  #schedule(): void {
    // Jittered: nodes that started together do not probe together for ever.
    const delay = this.#options.limits.probeInterval * (0.75 + Math.random() / 4);
    this.#dueAt = performance.now() + delay;
    this.#timer = setTimeout(() => this.#tick(), delay).unref();
  }

  #tick(): void {
    const { commands, subscriber } = this.#options;
    if (performance.now() - this.#dueAt > stallThreshold) this.#stalls += 1;
    this.#schedule();
    if (subscriber && isStale(subscriber))
      this.#replaceSubscriber(subscriber, "the node has left the cluster");
    // ioredis would look for a lost master's successor only every few seconds.
    if (commands instanceof Cluster && lostMasters(commands).length > 0)
      commands.refreshSlotsCache(ignore);
    this.#subscription?.renew();
    void this.#round();
    this.#rounds += 1;
    const isTrialDue = this.#rounds % roundsBetweenTrials === 0;
    if (isTrialDue) {
      void this.#subscription?.verify();
      if (isConnected(commands)) this.#tryEssentials().catch(ignore);
    }
    if (isTrialDue || this.#isIdentityDue || this.#identity.isOutdated(commands))
      void this.#readIdentity();
    if (this.#rounds % roundsBetweenAddressChecks === 0) void this.#checkAddress();
    this.#monitor.assess();
  }

  /** Replaces links to a server that the address has left: sessions that end elsewhere stay live there. */
  async #checkAddress(): Promise<void> {
    const { commands, subscriber } = this.#options;
    const reread = () => this.#readIdentity();
    if (!(await this.#address?.leadsElsewhere(this.#identity, reread)) || this.#isClosed) return;
    for (const link of readyLinks(commands)) this.#replaceCommandLink(link, elsewhere);
    if (subscriber) this.#replaceSubscriber(subscriber, elsewhere);
  }

  /** Resolves to whether all messages of the round arrived. */
  async #round(): Promise<boolean> {
    const { commands, subscriber, limits } = this.#options;
    const stalls = this.#stalls;
    const began = performance.now();
    const connection = this.#subscription?.connection;
    const ping = subscriber && connection !== undefined ? sendPing(subscriber) : undefined;
    const hears = subscriber !== undefined;
    const sent = readyLinks(commands).map((link) => this.#deliveries.send(link, hears));
    const all = Promise.all([...sent.map(({ settled }) => settled), ping?.answered]);
    if ((await withTimeout(all, limits.linkTimeout)) === timedOut) {
      const isLate = performance.now() - began > limits.linkTimeout + stallThreshold;
      // Timers come before sockets in a turn of the event loop: what has arrived is read first.
      await nextTurn();
      if (!this.#isClosed && !isLate && stalls === this.#stalls)
        this.#judge(sent, connection, ping);
    }
    if (this.#isClosed) return false;
    const refused = sent.find(({ refusal }) => refusal !== undefined)?.refusal;
    this.#monitor.refusals.subscriber =
      refused && refusalOf("PUBLISH to channels curfew:*", refused).cause;
    const isDelivered = sent.length > 0 && sent.every(({ isHeard }) => isHeard);
    if (isDelivered) {
      this.#unheardSubscribers = 0;
      this.#monitor.fault = undefined;
    }
    this.#monitor.assess();
    return isDelivered;
  }

  #judge(sent: readonly Delivery[], connection: number | undefined, ping: Ping | undefined): void {
    const { subscriber } = this.#options;
    for (const { link, mark, isAcknowledged } of sent)
      if (!isAcknowledged && isSilentSince(mark, link)) this.#replaceCommandLink(link, noAnswer);
    if (subscriber === undefined || connection !== this.#subscription?.connection) return;
    const lost = sent.filter(({ isAcknowledged, isHeard }) => isAcknowledged && !isHeard);
    if (ping && !ping.isAnswered && isSilentSince(ping.mark, subscriber))
      return this.#replaceSubscriber(subscriber, noAnswer);
    if (connection === undefined || lost.length === 0) return;
    this.#unheardSubscribers += 1;
    if (this.#unheardSubscribers > 1)
      for (const { link } of lost) this.#replaceCommandLink(link, unheard);
    this.#replaceSubscriber(subscriber, unheard);
  }

  #replaceSubscriber(subscriber: Redis, cause: string): void {
    this.#monitor.fault = cause;
    destroyLink(subscriber, cause);
  }

  #replaceCommandLink(link: Redis, cause: string): void {
    const { commands } = this.#options;
    // A cluster's client forgets a node whose connection is lost, and learns of it again with the slots.
    if (commands instanceof Cluster) link.once("end", () => commands.refreshSlotsCache(ignore));
    destroyLink(link, cause);
  }

  #subscriptionChanged(isNew: boolean): void {
    // At once, so that the link counts as lost no longer than it is.
    if (isNew && this.#timer !== undefined) void this.#round();
    this.#monitor.assess();
  }

  #newLink(): void {
    this.#isIdentityDue = true;
    if (this.#timer !== undefined) void this.#readIdentity();
  }

  async #tryDelivery(): Promise<boolean> {
    const [isDelivered] = await Promise.all([this.#round(), this.#subscription?.verify()]);
    return isDelivered;
  }

  /** The result of a check may be a second old, and the link lost since. */
  #throwProblemOf(link: LinkName): void {
    const problem = this.#monitor.problemOf(link);
    if (problem !== undefined) throw new StoreUnavailable(problem.cause ?? noAnswer);
  }

  async #tryEssentials(): Promise<void> {
    const { commands, id, trials = [] } = this.#options;
    const refusal = await tryOut(commands, id, [...essentialTrials, ...trials]);
    if (this.#isClosed) return;
    this.#monitor.refusals.commands = refusal?.cause;
    this.#monitor.assess();
    if (refusal !== undefined) throw new StoreUnavailable(refusal.cause);
  }

  async #readIdentity(): Promise<void> {
    const { commands, observer, onError } = this.#options;
    this.#isIdentityDue = false;
    const { isReplaced, isReplica, isComplete } = await this.#identity.read(commands);
    if (this.#isClosed) return;
    if (!isComplete) this.#isIdentityDue = true;
    // A demoted master keeps its links. Its address may lead to the new one, but only once a link is new.
    const isDemoted = isReplica && !this.#wasReplica;
    this.#wasReplica = isReplica;
    if (isDemoted)
      for (const link of readyLinks(commands))
        this.#replaceCommandLink(link, "the server has become a replica");
    if (!isReplaced) return;
    observer.storeReplaced();
    for (const call of this.#replacedListeners) callSafely(call, onError);
  }
}

/** Session watches over a pub/sub that lists its subscriptions and can refuse or delay them. */
import { Deadlines } from "../../src/lib/deadlines.ts";
import { StoreUnavailable } from "../../src/session/store.ts";
import type { Stream } from "../../src/lib/bounded-queue.ts";
import type { PubSub } from "../../src/session/pubsub.ts";
import { Watches, type SessionEvent, type WatchOptions } from "../../src/session/watch.ts";
import { nodeLimits } from "../../src/node/limits.ts";
import { MemoryPubSub } from "../../src/stores/memory/pubsub.ts";
import { rethrow, rethrowReported, startDomain } from "./domain.ts";

class ObservablePubSub extends MemoryPubSub implements PubSub {
  readonly subscribedTopics: string[] = [];
  readonly messagesMissedListeners = new Set<() => void>();
  refusesSubscribe: (topic: string) => boolean = () => false;
  onSubscribe: (topic: string) => Promise<void> = async () => {};

  override async subscribe(...[topic, listener]: Parameters<PubSub["subscribe"]>) {
    if (this.refusesSubscribe(topic))
      throw new StoreUnavailable("The test refuses the subscription");
    const unsubscribe = await super.subscribe(topic, listener);
    this.subscribedTopics.push(topic);
    await this.onSubscribe(topic);
    return () => {
      unsubscribe();
      const index = this.subscribedTopics.indexOf(topic);
      if (index >= 0) this.subscribedTopics.splice(index, 1);
    };
  }

  override onMessagesMissed(listener: () => void) {
    this.messagesMissedListeners.add(listener);
    return () => this.messagesMissedListeners.delete(listener);
  }
}

export function startWatchDomain() {
  const pubsub = new ObservablePubSub(rethrow);
  const domain = startDomain({ pubsub });
  const deadlines = new Deadlines(domain.clock.now, rethrowReported);
  const pauses: { readonly milliseconds: number; readonly end: () => void }[] = [];
  const watches = (options: Partial<WatchOptions> = {}) =>
    new Watches({
      pubsub,
      deadlines,
      clock: domain.clock.read,
      list: (id) => domain.sessions.list(id),
      readMany: (fingerprints) => domain.sessions.readMany(fingerprints),
      pause: (then) => void setImmediate(then),
      rereads: {
        ...nodeLimits.watchRereads,
        wait: (milliseconds, end) => void pauses.push({ milliseconds, end }),
        random: () => 1,
      },
      reportError: (what) => domain.reportedErrors.push(what),
      ...options,
    });
  const shared = watches();
  const watch = (userId = "ada", options?: Partial<WatchOptions>) =>
    (options === undefined ? shared : watches(options)).watch(userId);
  /** Ends the pauses after failed rereads. Returns their lengths (ms). */
  const endRereadPauses = () =>
    pauses.splice(0).map(({ milliseconds, end }) => {
      end();
      return milliseconds;
    });
  return { ...domain, pubsub, deadlines, watch, watches, endRereadPauses };
}

/** Returns the next event, or undefined at the end of the stream. */
export async function next(stream: Stream<SessionEvent>): Promise<SessionEvent | undefined> {
  const { value } = await stream.next();
  return value;
}

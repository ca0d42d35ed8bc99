/** Ends sessions again in a store that may have lost their ends, for example after a failover. */
import { chunksOf, nextTurn } from "../lib/in-batches.ts";
import type { RecentEnds, SessionEnd } from "./ends.ts";
import { retryPause, spreadPause, type Pauses } from "./pauses.ts";
import type { SessionStore } from "./store.ts";

export interface EndReplayOptions extends Pauses {
  readonly ends: RecentEnds;
  readonly store: Pick<SessionStore, "readMany" | "onReplaced">;
  /** Ends a session again. Resolves to whether the store had lost its end; rejects if that is unknown. */
  readonly endAgain: (end: SessionEnd) => Promise<boolean>;
  readonly clock: () => number;
  /** Called after each batch of a replay. `lost`: how many ends of the batch the store had lost. */
  readonly onReplay?: (lost: number) => void;
}

/** Ends per read of the store and per turn of the event loop. */
const batchSize = 500;

/** The latest start of a replay (ms): the nodes of a deployment do not all begin at once. */
const maxReplayDelay = 250;

export class EndReplay {
  readonly #options: EndReplayOptions;
  readonly #stopListening: () => void;
  #isClosed = false;
  /** A replay is running, and whether the store was replaced again since it began. */
  #running: { again: boolean } | undefined;

  /** Replays all remembered ends each time another store answers. */
  constructor(options: EndReplayOptions) {
    this.#options = options;
    this.#stopListening = options.store.onReplaced?.(() => this.begin()) ?? (() => {});
  }

  /**
   * Replays all remembered ends. Call it after the node has learned some from other nodes: another store may have
   * answered before, and those nodes may die before they have replayed them.
   */
  begin(): void {
    if (this.#isClosed) return;
    if (this.#running !== undefined) this.#running.again = true;
    else void this.#replayAll();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
  }

  /** Ends all known sessions again that the store has, newest first, until it has confirmed each. */
  async #replayAll(): Promise<void> {
    const { ends } = this.#options;
    const state = { again: true };
    this.#running = state;
    await spreadPause(maxReplayDelay, this.#options);
    let pending: readonly SessionEnd[] = [];
    for (let failures = 1; (state.again || pending.length > 0) && !this.#isClosed; failures += 1) {
      if (state.again) {
        // The memory may have forgotten an end that is still to be confirmed.
        const known = ends.newestFirst();
        pending = [...known, ...without(pending, known)];
        failures = 1;
      }
      state.again = false;
      pending = await this.#replayOnce(pending);
      if (pending.length > 0) await retryPause(failures, this.#options);
    }
    this.#running = undefined;
  }

  /** Resolves to the ends that the store has not confirmed. */
  async #replayOnce(all: readonly SessionEnd[]): Promise<readonly SessionEnd[]> {
    const unconfirmed: SessionEnd[] = [];
    for (const batch of chunksOf(all, batchSize)) {
      if (this.#isClosed) return [];
      const present = await this.#present(batch);
      const results = await Promise.all(present.map((end) => this.#endAgain(end)));
      unconfirmed.push(...present.filter((_, i) => results[i] === undefined));
      this.#options.onReplay?.(results.filter(Boolean).length);
      await nextTurn();
    }
    return unconfirmed;
  }

  /** The ends whose sessions the store has, or may have. */
  async #present(batch: readonly SessionEnd[]): Promise<readonly SessionEnd[]> {
    const { store, clock } = this.#options;
    const fingerprints = batch.map(({ fingerprint }) => fingerprint);
    const lookups = await store.readMany(fingerprints, clock()).catch(() => []);
    return batch.filter((_, i) => lookups[i]?.state !== "absent");
  }

  /** Resolves to whether the store had lost the end; to undefined if that is unknown. */
  async #endAgain(end: SessionEnd): Promise<boolean | undefined> {
    try {
      return await this.#options.endAgain(end);
    } catch {
      return undefined;
    }
  }
}

function without(ends: readonly SessionEnd[], others: readonly SessionEnd[]): SessionEnd[] {
  const fingerprints = new Set(others.map(({ fingerprint }) => fingerprint));
  return ends.filter(({ fingerprint }) => !fingerprints.has(fingerprint));
}

/** A session store that measures each call of another store, and traces it if tracing is set up. */
import type { EndReason } from "../protocol/end-reasons.ts";
import {
  StoreUnavailable,
  type EndRequest,
  type Publication,
  type RenewalOutcome,
  type SessionLookup,
  type SessionStore,
} from "../session/store.ts";
import type { ReissueRequest, RenewalRequest } from "../session/renewal-rules.ts";
import type { Lifetimes, Session } from "../session/session.ts";
import type { StoreTimer } from "./metrics.ts";
import type { Trace } from "./tracing.ts";

export interface MeasuredStoreOptions {
  readonly timerOf: (operation: string) => StoreTimer;
  /** Undefined without tracing. */
  readonly trace: Trace | undefined;
}

const storeOperations = [
  "create",
  "read",
  "readMany",
  "renew",
  "reissue",
  "touch",
  "end",
  "endReason",
  "ofUser",
] as const;

type StoreOperation = (typeof storeOperations)[number];

export class MeasuredStore implements SessionStore {
  readonly #store: SessionStore;
  readonly #trace: Trace | undefined;
  readonly #timers: Readonly<Record<StoreOperation, StoreTimer>>;
  /** Not measured: only commands of operators call it. */
  readonly scan?: () => AsyncIterable<readonly string[]>;

  constructor(store: SessionStore, { timerOf, trace }: MeasuredStoreOptions) {
    this.#store = store;
    this.#trace = trace;
    if (store.scan !== undefined) this.scan = store.scan.bind(store);
    const timers = storeOperations.map((operation) => [operation, timerOf(operation)] as const);
    this.#timers = Object.fromEntries(timers) as Record<StoreOperation, StoreTimer>;
  }

  create(session: Session): Promise<void> {
    return this.#measure("create", () => this.#store.create(session));
  }

  read(fingerprint: string, now: number): Promise<Session | undefined> {
    return this.#measure("read", () => this.#store.read(fingerprint, now));
  }

  readMany(fingerprints: readonly string[], now: number): Promise<readonly SessionLookup[]> {
    return this.#measure("readMany", () => this.#store.readMany(fingerprints, now), outcomeOfMany);
  }

  renew(
    fingerprint: string,
    request: RenewalRequest & Publication,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<RenewalOutcome> {
    return this.#measure("renew", () => this.#store.renew(fingerprint, request, lifetimes, now));
  }

  reissue(
    fingerprint: string,
    request: ReissueRequest & Publication,
    lifetimes: Lifetimes,
    now: number,
  ): Promise<Session | undefined> {
    return this.#measure("reissue", () =>
      this.#store.reissue(fingerprint, request, lifetimes, now),
    );
  }

  touch(fingerprint: string, now: number): Promise<void> {
    return this.#measure("touch", () => this.#store.touch(fingerprint, now));
  }

  end(fingerprint: string, now: number, request?: EndRequest): Promise<Session | undefined> {
    return this.#measure("end", () => this.#store.end(fingerprint, now, request));
  }

  endReason(fingerprint: string, now: number): Promise<EndReason | undefined> {
    return this.#measure("endReason", async () => this.#store.endReason?.(fingerprint, now));
  }

  onReplaced(listener: () => void): () => void {
    return this.#store.onReplaced?.(listener) ?? (() => {});
  }

  listByUser(userId: string, now: number): Promise<readonly Session[]> {
    return this.#measure("ofUser", () => this.#store.listByUser(userId, now));
  }

  /** Not measured: readiness probes call it, and no client waits for it. */
  ping(): Promise<void> {
    return this.#store.ping();
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #measure<T>(
    operation: StoreOperation,
    work: () => Promise<T>,
    outcomeOf: (result: T) => keyof StoreTimer = isOk,
  ): Promise<T> {
    const timer = this.#timers[operation];
    const trace = this.#trace;
    const start = performance.now();
    try {
      const result = await (trace === undefined ? work() : trace.storeCall(operation, work));
      timer[outcomeOf(result)](performance.now() - start);
      return result;
    } catch (error) {
      timer[error instanceof StoreUnavailable ? "unavailable" : "error"](performance.now() - start);
      throw error;
    }
  }
}

function isOk(): keyof StoreTimer {
  return "ok";
}

/** An unknown session means that a part of the store, such as a shard, did not answer. */
function outcomeOfMany(lookups: readonly SessionLookup[]): keyof StoreTimer {
  return lookups.some(({ state }) => state === "unknown") ? "unavailable" : "ok";
}

/** The history of a run, as in Jepsen: the clients' operations and outcomes, with times of one monotonic clock. */

/** Milliseconds. */
interface Timed {
  readonly at: number;
}

export type Operation = "login" | "renew" | "logout" | "use" | "connect" | "operation";

export interface Invoke extends Timed {
  readonly kind: "invoke";
  readonly op: number;
  readonly name: Operation;
  readonly node: string;
  /** Unset for a login. */
  readonly session?: string;
  /** Generation of the presented renewal token. */
  readonly generation?: number;
}

export interface Outcome extends Timed {
  /** `fail`: no effect. `unknown`: the operation may have had an effect, or may have one later. */
  readonly kind: "ok" | "fail" | "unknown";
  readonly op: number;
  /** Set by a login. */
  readonly session?: string;
  /** Set by a failure: the server's reason. */
  readonly reason?: string;
  /** Set by a renewal: hash of the new pair without its signatures. */
  readonly successor?: string;
  /** Set by an accepted connection: its id. */
  readonly connection?: number;
  /** When the connection was accepted, if that differs from the time of this entry. */
  readonly opened?: number;
}

export interface Op {
  readonly begun: Invoke;
  readonly done: Outcome | undefined;
}

/** From `at` to `until` these nodes cannot reach the store. */
export interface Outage extends Timed {
  readonly kind: "outage";
  readonly nodes: readonly string[];
  readonly until: number;
}

/** From `at` to `until` no node that is asked knows of the end of these sessions: they may be accepted. */
export interface Forgotten extends Timed {
  readonly kind: "forgotten";
  readonly sessions: readonly string[];
  readonly until: number;
  /** From when the bound counts for connections that open after `at`. */
  readonly closesFrom: number;
}

/** From now on the store executes a renewal at least this long after its request (ms). */
export interface Latency extends Timed {
  readonly kind: "slow";
  readonly by: number;
}

/** Total delay of this node and its clients since the run began (ms). */
export interface Delayed extends Timed {
  readonly kind: "delayed";
  readonly node: string;
  readonly by: number;
}

export type Entry =
  | Invoke
  | Outcome
  | (Timed & { readonly kind: "delivery"; readonly connection: number })
  | (Timed & { readonly kind: "close"; readonly connection: number; readonly code: number })
  /** The store has lost all data: all its sessions have ended. */
  | (Timed & { readonly kind: "wiped" })
  /** An operator ended all sessions that existed at `at`; this was done by `until`. */
  | (Timed & { readonly kind: "everybodyEnded"; readonly until: number })
  | Forgotten
  | Latency
  | Delayed
  | Outage;

type Untimed<T> = T extends Timed ? Omit<T, "at"> : never;

export class Trace {
  readonly entries: Entry[] = [];
  #count = 0;

  record(entry: Untimed<Entry>): void {
    this.entries.push({ at: this.now(), ...entry });
  }

  /** Marks these nodes as disconnected from the store until the returned function is called. */
  outage(nodes: readonly string[]): () => void {
    const at = this.now();
    return () => void this.entries.push({ kind: "outage", at, until: this.now(), nodes });
  }

  now(): number {
    return Number(process.hrtime.bigint()) / 1e6;
  }

  /** A number that is unique in this trace. */
  nextId(): number {
    return (this.#count += 1);
  }

  /** Records the start of an operation; the returned function records its outcome. */
  invoke(
    invocation: Omit<Untimed<Invoke>, "op" | "kind">,
  ): (outcome: Omit<Untimed<Outcome>, "op">) => void {
    const op = this.nextId();
    this.record({ kind: "invoke", op, ...invocation });
    return (outcome) => this.record({ op, ...outcome });
  }
}

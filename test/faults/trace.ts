/** What the clients of a run did and saw, in the manner of Jepsen, with the time of one monotonic clock. */

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
  /** A login has none yet. */
  readonly session?: string;
  /** Of the renewal token that is presented. */
  readonly generation?: number;
}

export interface Outcome extends Timed {
  /** A failure had no effect; what is unknown may have had one, or have one later. */
  readonly kind: "ok" | "fail" | "unknown";
  readonly op: number;
  /** Of a login. */
  readonly session?: string;
  /** Of a failure: the server's word for it. */
  readonly reason?: string;
  /** Of a renewal: what its pair says, without its signatures. */
  readonly successor?: string;
  /** Of a connection that was let in. */
  readonly connection?: number;
  /** Of one, when it was, if that was known later. */
  readonly opened?: number;
}

export interface Op {
  readonly begun: Invoke;
  readonly done: Outcome | undefined;
}

/** From here to there these nodes cannot ask the store. */
export interface Outage extends Timed {
  readonly kind: "outage";
  readonly nodes: readonly string[];
  readonly until: number;
}

/** From now on the store carries out a renewal so many milliseconds after it was asked for, or later. */
export interface Slowness extends Timed {
  readonly kind: "slow";
  readonly by: number;
}

/** Since the run began, this node or its clients were held up for so many milliseconds. */
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
  /** The store has lost everything: all sessions that were there have ended. */
  | (Timed & { readonly kind: "wiped" })
  | Slowness
  | Delayed
  | Outage;

type Untimed<T> = T extends Timed ? Omit<T, "at"> : never;

export class Trace {
  readonly entries: Entry[] = [];
  #count = 0;

  note(entry: Untimed<Entry>): void {
    this.entries.push({ at: this.now(), ...entry });
  }

  /** From now on these nodes cannot ask the store; until what is returned is called. */
  outage(nodes: readonly string[]): () => void {
    const at = this.now();
    return () => void this.entries.push({ kind: "outage", at, until: this.now(), nodes });
  }

  now(): number {
    return Number(process.hrtime.bigint()) / 1e6;
  }

  /** A number that nothing else in this trace has. */
  count(): number {
    return (this.#count += 1);
  }

  /** Begins an operation; what is returned notes its outcome. */
  invoke(
    invocation: Omit<Untimed<Invoke>, "op" | "kind">,
  ): (outcome: Omit<Untimed<Outcome>, "op">) => void {
    const op = this.count();
    this.note({ kind: "invoke", op, ...invocation });
    return (outcome) => this.note({ op, ...outcome });
  }
}

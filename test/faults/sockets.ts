/** A client's socket with a subscription and operations, all of it noted in the trace. */
import { WebSocket } from "ws";
import type { Outcome, Trace } from "./trace.ts";

export interface Address {
  readonly name: string;
  readonly url: string;
  readonly socketUrl: string;
  /** Of its process. */
  readonly pid: number;
}

/** Notes what came of the wish for a connection or an operation. */
export type Done = (
  outcome: Pick<Outcome, "kind"> & { reason?: string; connection?: number; opened?: number },
) => void;

/** Both are the same session's, whoever asks. */
export const whoAmI = "{ viewer { session { id } } }";
export const watch = "subscription { sessionEvents { type session { id } } }";

export class Socket {
  readonly closed: Promise<void>;
  /** Resolves when the server has let it in or turned it away. */
  readonly settled: Promise<void>;
  readonly #ws: WebSocket;
  readonly #trace: Trace;
  readonly #session: string;
  readonly #node: string;
  readonly #pending = new Map<string, Done>();
  #connection: number | undefined;

  constructor(trace: Trace, session: string, node: Address, token: string) {
    this.#trace = trace;
    this.#session = session;
    this.#node = node.name;
    const done: Done = trace.invoke({ name: "connect", session, node: node.name });
    const settled = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    this.settled = settled.promise;
    this.closed = closed.promise;
    this.#ws = new WebSocket(node.socketUrl, "graphql-transport-ws");
    this.#ws.on("error", () => {});
    this.#ws.on("open", () => this.#send({ type: "connection_init", payload: { token } }));
    this.#ws.on("message", (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { type: string; id?: string; payload?: any };
      if (message.type === "connection_ack") {
        this.#connection = trace.count();
        done({ kind: "ok", connection: this.#connection });
        this.#send({ type: "subscribe", id: "watch", payload: { query: watch } });
        settled.resolve();
      } else this.#receive(message);
    });
    this.#ws.once("close", (code, reason) => {
      const connection = this.#connection;
      if (connection === undefined) done(refusal(code, String(reason)));
      else trace.note({ kind: "close", connection, code });
      for (const unanswered of this.#pending.values()) unanswered({ kind: "unknown" });
      settled.resolve();
      closed.resolve();
    });
  }

  get isOpen(): boolean {
    return this.#connection !== undefined && this.#ws.readyState === WebSocket.OPEN;
  }

  operate(): void {
    if (!this.isOpen) return;
    const id = String(this.#trace.count());
    const operation = { name: "operation", session: this.#session, node: this.#node } as const;
    this.#pending.set(id, this.#trace.invoke(operation));
    this.#send({ type: "subscribe", id, payload: { query: whoAmI } });
  }

  close(): void {
    this.#ws.close();
  }

  terminate(): void {
    this.#ws.terminate();
  }

  #receive({ type, id = "", payload }: { type: string; id?: string; payload?: any }): void {
    if (id === "watch") {
      if (type === "next" && payload.data !== undefined && this.#connection !== undefined)
        this.#trace.note({ kind: "delivery", connection: this.#connection });
      return;
    }
    const done = this.#pending.get(id);
    if (done === undefined) return;
    this.#pending.delete(id);
    const error = type === "error" ? payload[0] : payload.errors?.[0];
    if (error === undefined) done(viewed(payload.data, this.#session));
    else done(failure(error.extensions));
  }

  #send(message: unknown): void {
    this.#ws.send(JSON.stringify(message));
  }
}

/** What `whoAmI` was answered: without a viewer it was a stranger who asked. */
export function viewed(data: any, session: string): { kind: "ok" | "fail"; reason?: string } {
  const generationAtRead: unknown = data?.viewer?.session.id;
  if (generationAtRead === session) return { kind: "ok" };
  return { kind: "fail", reason: generationAtRead === undefined ? "ENDED" : "SOMEBODY_ELSE" };
}

/** Where the store did not answer, nobody knows what it did. */
export function failure(extensions: any): { kind: "fail" | "unknown"; reason: string } {
  const code = String(extensions?.code);
  if (code === "SERVICE_UNAVAILABLE") return { kind: "unknown", reason: "UNAVAILABLE" };
  return { kind: "fail", reason: String(extensions?.reason ?? code) };
}

function refusal(code: number, reason: string): { kind: "fail" | "unknown"; reason?: string } {
  const reasons: Readonly<Record<string, string>> = {
    SESSION_ENDED: "ENDED",
    SESSION_EXPIRED: "EXPIRED",
    TRY_AGAIN_LATER: "UNAVAILABLE",
  };
  // Cut, or never connected: its node was going away. Or the machine was too busy to deliver connection_init in time.
  if (code === 1006 || code === 1012 || code === 4408) return { kind: "unknown" };
  return { kind: "fail", reason: reasons[reason] ?? `${code} ${reason}` };
}

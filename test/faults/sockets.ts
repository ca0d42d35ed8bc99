/** A client's WebSocket with a subscription and operations, recorded in the trace. */
import { WebSocket } from "ws";
import type { Outcome, Trace } from "./trace.ts";

export interface NodeAddress {
  readonly name: string;
  readonly url: string;
  readonly socketUrl: string;
  /** Id of the node's process. */
  readonly pid: number;
}

/** Records the outcome of a connection attempt or an operation. */
export type RecordOutcome = (
  outcome: Pick<Outcome, "kind"> & { reason?: string; connection?: number; opened?: number },
) => void;

export const viewerQuery = "{ viewer { session { id } } }";
export const eventsSubscription = "subscription { sessionEvents { type session { id } } }";

export class Socket {
  readonly closed: Promise<void>;
  /** Resolves when the server has accepted or refused the connection. */
  readonly settled: Promise<void>;
  readonly #ws: WebSocket;
  readonly #trace: Trace;
  readonly #session: string;
  readonly #node: string;
  readonly #pending = new Map<string, RecordOutcome>();
  #connection: number | undefined;

  constructor(trace: Trace, session: string, node: NodeAddress, token: string) {
    this.#trace = trace;
    this.#session = session;
    this.#node = node.name;
    const done: RecordOutcome = trace.invoke({ name: "connect", session, node: node.name });
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
        this.#connection = trace.nextId();
        done({ kind: "ok", connection: this.#connection });
        this.#send({ type: "subscribe", id: "watch", payload: { query: eventsSubscription } });
        settled.resolve();
      } else this.#receive(message);
    });
    this.#ws.once("close", (code, reason) => {
      const connection = this.#connection;
      if (connection === undefined) done(outcomeOfClose(code, String(reason)));
      else trace.record({ kind: "close", connection, code });
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
    const id = String(this.#trace.nextId());
    const operation = { name: "operation", session: this.#session, node: this.#node } as const;
    this.#pending.set(id, this.#trace.invoke(operation));
    this.#send({ type: "subscribe", id, payload: { query: viewerQuery } });
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
        this.#trace.record({ kind: "delivery", connection: this.#connection });
      return;
    }
    const done = this.#pending.get(id);
    if (done === undefined) return;
    this.#pending.delete(id);
    const error = type === "error" ? payload[0] : payload.errors?.[0];
    if (error === undefined) done(outcomeOfViewer(payload.data, this.#session));
    else done(outcomeOfError(error.extensions));
  }

  #send(message: unknown): void {
    this.#ws.send(JSON.stringify(message));
  }
}

/** The outcome of `viewerQuery`: without a viewer, the request was unauthenticated. */
export function outcomeOfViewer(
  data: any,
  session: string,
): { kind: "ok" | "fail"; reason?: string } {
  const sessionId: unknown = data?.viewer?.session.id;
  if (sessionId === session) return { kind: "ok" };
  return { kind: "fail", reason: sessionId === undefined ? "ENDED" : "OTHER_SESSION" };
}

/** The outcome of an error; if the store did not reply, the outcome is unknown. */
export function outcomeOfError(extensions: any): { kind: "fail" | "unknown"; reason: string } {
  const code = String(extensions?.code);
  if (code === "SERVICE_UNAVAILABLE") return { kind: "unknown", reason: "UNAVAILABLE" };
  return { kind: "fail", reason: String(extensions?.reason ?? code) };
}

function outcomeOfClose(
  code: number,
  reason: string,
): { kind: "fail" | "unknown"; reason?: string } {
  const reasons: Readonly<Record<string, string>> = {
    SESSION_ENDED: "ENDED",
    SESSION_EXPIRED: "EXPIRED",
    TRY_AGAIN_LATER: "UNAVAILABLE",
  };
  // 1006 and 1012: the node was shutting down. 4408: a busy machine delivered connection_init too late.
  if (code === 1006 || code === 1012 || code === 4408) return { kind: "unknown" };
  return { kind: "fail", reason: reasons[reason] ?? `${code} ${reason}` };
}

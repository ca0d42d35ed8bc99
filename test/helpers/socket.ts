/** A graphql-transport-ws client that sends any message and queues what it receives. */
import { once } from "node:events";
import { WebSocket, type ClientOptions } from "ws";
import { Queue } from "./queue.ts";
import { until } from "./until.ts";

export interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: any;
}

export class TestSocket implements AsyncDisposable {
  readonly ws: WebSocket;
  readonly messages = new Queue<Message>();
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  constructor(url: string, options: ClientOptions = {}) {
    this.ws = new WebSocket(url, "graphql-transport-ws", options);
    this.ws.on("message", (data: Buffer) =>
      this.messages.push(JSON.parse(data.toString()) as Message),
    );
    this.ws.on("error", () => {});
    this.closed = new Promise((resolve) => {
      this.ws.once("close", (code, reason) => resolve({ code, reason: String(reason) }));
    });
  }

  async opened(): Promise<this> {
    if (this.ws.readyState === WebSocket.CONNECTING) await once(this.ws, "open");
    return this;
  }

  send(message: unknown): void {
    this.ws.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  init(payload?: unknown): void {
    this.send({ type: "connection_init", payload });
  }

  subscribe(id: string, query: string, variables?: Readonly<Record<string, unknown>>): void {
    this.send({ id, type: "subscribe", payload: { query, variables } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ws.terminate();
    await this.closed;
  }
}

/** Opens a socket and waits for its acknowledgement. */
export async function connect(url: string, token: string, options?: ClientOptions) {
  const socket = await new TestSocket(url, options).opened();
  socket.init({ token });
  const message = await socket.messages.next();
  if (message.type !== "connection_ack") throw new Error(`Not acknowledged: ${message.type}`);
  return Object.assign(socket, { ack: message.payload });
}

/** Subscribes to `sessionEvents`; `of` returns the next event of a session. */
export async function watchSessions(socket: TestSocket, startOne: () => Promise<unknown>) {
  socket.subscribe("watch", "subscription { sessionEvents { type endReason session { id } } }");
  // The subscription sends nothing when it begins: a first event shows that it is active.
  await until(async () => {
    await startOne();
    return socket.messages.pending.length > 0;
  });
  const nextEventOf = async (
    id: string,
  ): Promise<{ readonly type: string; readonly endReason: string | null }> => {
    for (;;) {
      const { session, ...event } = (await socket.messages.next()).payload.data.sessionEvents;
      if (session.id === id) return event;
    }
  };
  return { of: nextEventOf };
}

/** What became of the socket, for people to see. */
import type { Client } from "graphql-ws/client";
import { createStore, type Store } from "./store.ts";

export interface Close {
  readonly code: number;
  readonly reason: string;
  readonly at: Date;
}

export interface SocketState {
  readonly status: "idle" | "connecting" | "connected" | "closed";
  /** Of the last time that it closed, until the page is left. */
  readonly lastClose: Close | undefined;
}

export function watchSocket(sockets: Client): Store<SocketState> {
  const store = createStore<SocketState>({ status: "idle", lastClose: undefined });
  const become = (status: SocketState["status"]) => store.set({ ...store.get(), status });
  sockets.on("connecting", () => become("connecting"));
  sockets.on("connected", () => become("connected"));
  sockets.on("closed", (event) => {
    const { code = 1006, reason = "" } = event as { readonly code?: number; reason?: string };
    store.set({ status: "closed", lastClose: { code, reason, at: new Date() } });
  });
  return store;
}

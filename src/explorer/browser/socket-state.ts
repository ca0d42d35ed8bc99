/** The state of the socket, for the panel. */
import type { Client } from "graphql-ws/client";
import { createStore, type Store } from "./store.ts";

export interface LastClose {
  readonly code: number;
  readonly reason: string;
  readonly at: Date;
}

export interface SocketState {
  readonly status: "idle" | "connecting" | "connected" | "closed";
  /** The most recent close since the page was loaded. */
  readonly lastClose: LastClose | undefined;
}

export function watchSocket(sockets: Client): Store<SocketState> {
  const store = createStore<SocketState>({ status: "idle", lastClose: undefined });
  const setStatus = (status: SocketState["status"]) => store.set({ ...store.get(), status });
  sockets.on("connecting", () => setStatus("connecting"));
  sockets.on("connected", () => setStatus("connected"));
  sockets.on("closed", (event) => {
    const { code = 1006, reason = "" } = event as { readonly code?: number; reason?: string };
    store.set({ status: "closed", lastClose: { code, reason, at: new Date() } });
  });
  return store;
}

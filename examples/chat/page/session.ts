/** The session that all tabs share, and its sockets. */
import { createSession } from "curfew/client";
import { createSocketClient } from "curfew/client/graphql-ws";
import { createClient } from "graphql-ws";
import { useEffect, useState, useSyncExternalStore } from "react";

export const session = createSession({
  url: "/graphql",
  // Survives a reload. Curfew's docs/clients.md describes the risk.
  storage: sessionStorage,
});

export const sockets = createSocketClient(createClient, session);

export function useSessionState() {
  return useSyncExternalStore(session.subscribe, () => session.state);
}

/** Whether the socket is connected; true until the first close. */
export function useConnected(): boolean {
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    const stops = [
      sockets.on("connected", () => setConnected(true)),
      sockets.on("closed", () => setConnected(false)),
    ];
    return () => stops.forEach((stop) => stop());
  }, []);
  return connected;
}

/** The session of this page, which all tabs share, and the sockets under it. */
import { createSession } from "curfew/client";
import { createSocketClient } from "curfew/client/graphql-ws";
import { createClient } from "graphql-ws";
import { useEffect, useState, useSyncExternalStore } from "react";

export const session = createSession({
  url: "/graphql",
  // For a page that is loaded anew. Curfew's docs/clients.md says what that costs.
  storage: sessionStorage,
});

export const sockets = createSocketClient(createClient, session);

export function useSessionState() {
  return useSyncExternalStore(session.subscribe, () => session.state);
}

/** Whether messages come as they are said; false until the socket that was lost is back. */
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

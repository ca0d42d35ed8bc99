/** Logs in and prints the session events of the account, until its own session ends. */
import { createSession } from "curfew/client";
import { createSocketClient, SignedOut } from "curfew/client/graphql-ws";
import { createClient } from "graphql-ws";
import { WebSocket } from "ws";

interface Events {
  readonly sessionEvents: {
    readonly type: string;
    readonly endReason: string | null;
    readonly session: { readonly id: string };
  };
}

const {
  CURFEW_URL: url = "http://localhost:4000/graphql",
  CURFEW_EMAIL: email = "ada@example.com",
  CURFEW_PASSWORD: password = "",
} = process.env;

const session = createSession({ url });
const sockets = createSocketClient(createClient, session, { webSocketImpl: WebSocket });

const result = await session.login({ email, password });
if (result.__typename !== "SignedIn") {
  console.error(`${result.__typename}: ${result.message}`);
  process.exit(1);
}
console.log(`signed in ${result.sessionId}`);

sockets.on("connected", () => console.log("connected"));
for (const signal of ["SIGINT", "SIGTERM"])
  // If all eight attempts fail, the session ends by its expiry.
  process.once(signal, () => void session.logout().catch(() => {}));

const query = "subscription { sessionEvents { type endReason session { id } } }";
try {
  // The subscription survives renewals, lost connections and server restarts.
  for await (const { data, errors } of sockets.iterate<Events>({ query })) {
    if (data) console.log(data.sessionEvents.type, data.sessionEvents.session.id);
    else console.error(errors);
  }
} catch (error) {
  if (!(error instanceof SignedOut)) throw error;
  const { state } = session;
  const why = state.status === "signedOut" ? (state.endReason ?? state.reason) : state.status;
  console.log(`${error.reason}: ${why}`);
} finally {
  session.dispose();
}

/** Shows the signed-in user and a button to sign out. */
import type { Session } from "../../client/index.ts";
import { h } from "./graphiql.ts";
import type { SessionListState } from "./session-list-store.ts";
import { useStore, type Store } from "./store.ts";
import { Time } from "./time.ts";

interface AccountProps {
  readonly session: Session;
  readonly sessionList: Store<SessionListState>;
}

export function Account({ session, sessionList }: AccountProps) {
  const list = useStore(sessionList);
  const current = list?.sessions.find((entry) => entry.current);
  // If all eight attempts fail, the session ends by its expiry.
  const signOut = () => void session.logout().catch(() => {});
  return h(
    "div",
    { className: "curfew-card" },
    h(
      "div",
      { className: "curfew-grow" },
      h("div", { className: "curfew-strong" }, list?.email ?? "Signed in"),
      current !== undefined &&
        h(
          "div",
          { className: "curfew-hint" },
          "Since ",
          h(Time, { value: current.createdAt }),
          current.renewedAt !== current.createdAt && [
            ", renewed ",
            h(Time, { key: "renewed", value: current.renewedAt }),
          ],
        ),
    ),
    h("button", { type: "button", className: "graphiql-button", onClick: signOut }, "Sign out"),
  );
}

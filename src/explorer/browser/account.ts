/** Who is signed in, since when, and the way out. */
import type { Session } from "../../client/index.ts";
import { h } from "./graphiql.ts";
import type { Own } from "./session-list-store.ts";
import { useStore, type Store } from "./store.ts";
import { Time } from "./time.ts";

interface AccountProps {
  readonly session: Session;
  readonly own: Store<Own>;
}

export function Account({ session, own: source }: AccountProps) {
  const own = useStore(source);
  const current = own?.sessions.find((each) => each.current);
  // What cannot be told to the server in eight attempts ends by itself.
  const signOut = () => void session.logout().catch(() => {});
  return h(
    "div",
    { className: "curfew-card" },
    h(
      "div",
      { className: "curfew-grow" },
      h("div", { className: "curfew-strong" }, own?.email ?? "Signed in"),
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

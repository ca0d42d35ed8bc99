/** The panel beside GraphiQL's editors: who is signed in, what the socket does, and which sessions there are. */
import type { Session, SessionState } from "../../client/index.ts";
import { Account } from "./account.ts";
import { h, useEffect, useRef, type Plugin } from "./graphiql.ts";
import type { Own } from "./session-list-store.ts";
import { SessionList } from "./session-list.ts";
import { SignInForm } from "./sign-in-form.ts";
import type { SocketState } from "./socket-state.ts";
import { SocketView } from "./socket-view.ts";
import { useStore, type Store } from "./store.ts";
import { whySignedOut } from "./messages.ts";

export interface PanelParts {
  readonly session: Session;
  readonly state: Store<SessionState>;
  readonly socket: Store<SocketState>;
  readonly own: Store<Own>;
}

export function createPanel(parts: PanelParts): Plugin {
  return {
    title: "Session",
    icon: () => h(Icon, parts),
    content: () => h(Panel, parts),
  };
}

function Panel({ session, state: states, socket, own }: PanelParts) {
  const state = useStore(states);
  const heading = useFocusAfter(state.status);
  return h(
    "section",
    { className: "curfew-panel", "aria-label": "Session" },
    h("h2", { ref: heading, tabIndex: -1 }, "Session"),
    h("div", { role: "status" }, h(Notice, { state })),
    state.status === "signedOut" && h(SignInForm, { session }),
    state.status === "signedIn" && h(Account, { session, own }),
    h(SocketView, { socket, isSignedIn: state.status === "signedIn" }),
    state.status === "signedIn" && h(SessionList, { session, own }),
    h(
      "p",
      { className: "curfew-hint curfew-foot" },
      "Tokens are renewed by themselves and kept in memory alone: your tabs of this page share them, ",
      "and a page that is loaded anew without another one open signs in again.",
    ),
  );
}

function Notice({ state }: { readonly state: SessionState }) {
  if (state.status !== "signedOut" || state.reason === undefined) return null;
  const tone = state.reason === "LOGOUT" ? "" : " curfew-warning";
  return h("p", { className: `curfew-notice${tone}` }, whySignedOut(state.reason));
}

/** Where the one who used what is gone now goes on; who types elsewhere is left alone. */
function useFocusAfter(status: SessionState["status"]) {
  const heading = useRef<HTMLHeadingElement>(null);
  const before = useRef(status);
  useEffect(() => {
    const wasStarting = before.current === "starting";
    const isNew = before.current !== status;
    before.current = status;
    if (isNew && !wasStarting && document.activeElement === document.body) heading.current?.focus();
  }, [status]);
  return heading;
}

/** In GraphiQL's side bar. */
function Icon({ state: states, socket }: PanelParts) {
  const isSignedIn = useStore(states).status === "signedIn";
  const { status } = useStore(socket);
  const tone = status === "connected" ? "curfew-good" : "curfew-poor";
  const line = { stroke: "currentColor", strokeWidth: 1.5, fill: "none", strokeLinecap: "round" };
  return h(
    "svg",
    { viewBox: "0 0 20 20", "aria-hidden": true },
    h("circle", { ...line, cx: 9, cy: 6, r: 3.25 } as const),
    h("path", { ...line, d: "M2.5 17a6.5 6.5 0 0 1 13 0" } as const),
    isSignedIn && h("circle", { className: tone, cx: 16, cy: 5, r: 3, fill: "currentColor" }),
  );
}

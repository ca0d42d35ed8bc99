/** The panel beside GraphiQL's editors: the account, the state of the socket and the user's sessions. */
import type { Session, SessionState } from "../../client/index.ts";
import { Account } from "./account.ts";
import { h, useEffect, useRef, type GraphiQLPlugin } from "./graphiql.ts";
import type { SessionListState } from "./session-list-store.ts";
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
  readonly sessionList: Store<SessionListState>;
}

export function createPanel(parts: PanelParts): GraphiQLPlugin {
  return {
    title: "Session",
    icon: () => h(Icon, parts),
    content: () => h(Panel, parts),
  };
}

function Panel({ session, state: states, socket, sessionList }: PanelParts) {
  const state = useStore(states);
  const heading = useFocusAfter(state.status);
  return h(
    "section",
    { className: "curfew-panel", "aria-label": "Session" },
    h("h2", { ref: heading, tabIndex: -1 }, "Session"),
    h("div", { role: "status" }, h(Notice, { state })),
    state.status === "signedOut" && h(SignInForm, { session }),
    state.status === "signedIn" && h(Account, { session, sessionList }),
    h(SocketView, { socket, isSignedIn: state.status === "signedIn" }),
    state.status === "signedIn" && h(SessionList, { session, sessionList }),
    h(
      "p",
      { className: "curfew-hint curfew-foot" },
      "Tokens are renewed automatically and stored in memory only. Tabs of this page share them. ",
      "If you reload the only tab, sign in again.",
    ),
  );
}

function Notice({ state }: { readonly state: SessionState }) {
  if (state.status !== "signedOut" || state.reason === undefined) return null;
  const tone = state.reason === "LOGOUT" ? "" : " curfew-warning";
  return h("p", { className: `curfew-notice${tone}` }, whySignedOut(state.reason, state.endReason));
}

/** Returns a ref whose element takes the focus when a change of status removed the focused element. */
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

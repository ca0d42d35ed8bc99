/** Starts the explorer: GraphiQL on a session of `curfew/client`. */
import { createClient } from "graphql-ws/client";
import { createSocketClient } from "../../client/graphql-ws.ts";
import { createSession } from "../../client/index.ts";
import { createFetcher } from "./fetcher.ts";
import { h, renderYogaGraphiQL } from "./graphiql.ts";
import { Logo } from "./logo.ts";
import { fixTabAria } from "./fix-tab-aria.ts";
import { createSessionListStore } from "./session-list-store.ts";
import { createPanel } from "./panel.ts";
import { watchSocket } from "./socket-state.ts";
import { safeStorage } from "./storage.ts";

const defaultQuery = `# The explorer sends your access token.
query WhoAmI {
  viewer {
    user { email }
    sessions { id userAgent }
  }
}

# Runs until your session ends.
subscription Watch {
  sessionEvents {
    type
    endReason
    session { id userAgent }
  }
}

mutation Logout {
  logout { endedSessions }
}
`;

globalThis.MonacoEnvironment = {
  globalAPI: false,
  getWorkerUrl: (_module, label) => new URL(`../../graphiql/${label}.js`, import.meta.url).href,
};

// The key keeps this session apart from that of an app of the same origin.
const session = createSession({ url: location.pathname, key: "curfew:explorer" });
const sockets = createSocketClient(createClient, session);
const panel = createPanel({
  session,
  state: { get: () => session.state, subscribe: session.subscribe },
  socket: watchSocket(sockets),
  sessionList: createSessionListStore(session, sockets),
});

const root = document.querySelector("#root");
if (root !== null) {
  fixTabAria(root);
  renderYogaGraphiQL(root, {
    title: h("span", { role: "heading", "aria-level": 1 }, "Curfew"),
    logo: h(Logo),
    fetcher: createFetcher(session, sockets),
    plugins: [panel],
    visiblePlugin: panel.title,
    storage: safeStorage(localStorage),
    shouldPersistHeaders: false,
    defaultEditorToolsVisibility: false,
    defaultQuery,
    onEditQuery: () => {},
  });
}

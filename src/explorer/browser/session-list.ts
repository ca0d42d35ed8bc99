/** Lists the user's sessions on all devices, with a button to end each. */
import type { Session } from "../../client/index.ts";
import { sessionFetch } from "../../client/fetch.ts";
import { Fragment, h, useEffect, useRef, useState } from "./graphiql.ts";
import type { SessionEntry, SessionListState } from "./session-list-store.ts";
import { useStore, type Store } from "./store.ts";
import { Time } from "./time.ts";
import { deviceName } from "./messages.ts";

interface ListProps {
  readonly session: Session;
  readonly sessionList: Store<SessionListState>;
}

const failure = "The session could not be ended. Try again in a moment.";

export function SessionList({ session, sessionList }: ListProps) {
  const list = useStore(sessionList);
  const [problem, setProblem] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const hasEnded = useRef(false);
  const sessions = list?.sessions ?? [];

  // The button of the ended session had the focus, and is gone.
  useEffect(() => {
    if (hasEnded.current && document.activeElement === document.body) heading.current?.focus();
  }, [sessions.length]);

  async function end({ id, current }: SessionEntry): Promise<void> {
    setProblem("");
    hasEnded.current = true;
    const isEnded = await (current ? session.logout() : endSession(session, id)).then(
      () => true,
      () => false,
    );
    if (!isEnded) setProblem(failure);
  }

  return h(
    Fragment,
    null,
    h(
      "h3",
      { ref: heading, tabIndex: -1 },
      "My sessions",
      list !== undefined && h("span", { className: "curfew-count" }, sessions.length),
    ),
    h("div", { role: "alert" }, problem && h("p", { className: "curfew-problem" }, problem)),
    list === undefined
      ? h("p", { className: "curfew-hint" }, "Loading…")
      : h(
          "ul",
          { className: "curfew-list" },
          sessions.map((entry) => h(Item, { key: entry.id, entry, onEnd: () => void end(entry) })),
        ),
  );
}

function Item({ entry, onEnd }: { readonly entry: SessionEntry; readonly onEnd: () => void }) {
  const device = deviceName(entry.userAgent);
  return h(
    "li",
    { className: "curfew-card" },
    h(
      "div",
      { className: "curfew-grow" },
      h(
        "div",
        { className: "curfew-strong", title: entry.userAgent ?? undefined },
        device,
        entry.current && h("span", { className: "curfew-badge" }, "this one"),
      ),
      h(
        "div",
        { className: "curfew-hint" },
        entry.ipAddress,
        entry.ipAddress !== null && " · ",
        "since ",
        h(Time, { value: entry.createdAt }),
      ),
    ),
    h(
      "button",
      {
        type: "button",
        className: "graphiql-button",
        "aria-label": `End the session of ${device}${entry.current ? ", this one" : ""}`,
        onClick: onEnd,
      },
      "End",
    ),
  );
}

/** Rejects if the session was not ended. */
async function endSession(session: Session, id: string): Promise<void> {
  const response = await sessionFetch(session)(session.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      query: "mutation ExplorerEnd($id: ID!) { endSession(id: $id) { endedSessions } }",
      variables: { id },
    }),
  });
  const { data } = (await response.json()) as { readonly data?: { readonly endSession?: unknown } };
  if (data?.endSession == null) throw new Error(failure);
}

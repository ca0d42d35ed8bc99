/** The user's sessions on all devices, each with what ends it. */
import type { Session } from "../../client/index.ts";
import { sessionFetch } from "../../client/fetch.ts";
import { Fragment, h, useEffect, useRef, useState } from "./graphiql.ts";
import type { Own, OwnSession } from "./session-list-store.ts";
import { useStore, type Store } from "./store.ts";
import { Time } from "./time.ts";
import { deviceName } from "./messages.ts";

interface ListProps {
  readonly session: Session;
  readonly own: Store<Own>;
}

const failure = "The session could not be ended. Try again in a moment.";

export function SessionList({ session, own: source }: ListProps) {
  const own = useStore(source);
  const [problem, setProblem] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const hasEnded = useRef(false);
  const sessions = own?.sessions ?? [];

  // The button of a session that is gone has lost the focus with it.
  useEffect(() => {
    if (hasEnded.current && document.activeElement === document.body) heading.current?.focus();
  }, [sessions.length]);

  async function end({ id, current }: OwnSession): Promise<void> {
    setProblem("");
    hasEnded.current = true;
    const isDone = await (current ? session.logout() : endSession(session, id)).then(
      () => true,
      () => false,
    );
    if (!isDone) setProblem(failure);
  }

  return h(
    Fragment,
    null,
    h(
      "h3",
      { ref: heading, tabIndex: -1 },
      "My sessions",
      own !== undefined && h("span", { className: "curfew-count" }, sessions.length),
    ),
    h("div", { role: "alert" }, problem && h("p", { className: "curfew-problem" }, problem)),
    own === undefined
      ? h("p", { className: "curfew-hint" }, "Loading…")
      : h(
          "ul",
          { className: "curfew-list" },
          sessions.map((each) => h(Item, { key: each.id, each, onEnd: () => void end(each) })),
        ),
  );
}

function Item({ each, onEnd }: { readonly each: OwnSession; readonly onEnd: () => void }) {
  const device = deviceName(each.userAgent);
  return h(
    "li",
    { className: "curfew-card" },
    h(
      "div",
      { className: "curfew-grow" },
      h(
        "div",
        { className: "curfew-strong", title: each.userAgent ?? undefined },
        device,
        each.current && h("span", { className: "curfew-badge" }, "this one"),
      ),
      h(
        "div",
        { className: "curfew-hint" },
        each.ipAddress,
        each.ipAddress !== null && " · ",
        "since ",
        h(Time, { value: each.createdAt }),
      ),
    ),
    h(
      "button",
      {
        type: "button",
        className: "graphiql-button",
        "aria-label": `End the session of ${device}${each.current ? ", this one" : ""}`,
        onClick: onEnd,
      },
      "End",
    ),
  );
}

/** Rejects where it was not done. */
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

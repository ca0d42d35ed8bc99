/** Shows the state of the socket and its last close. */
import { Fragment, h } from "./graphiql.ts";
import type { SocketState } from "./socket-state.ts";
import { useStore, type Store } from "./store.ts";
import { Time } from "./time.ts";
import { whyClosed } from "./messages.ts";

interface SocketProps {
  readonly socket: Store<SocketState>;
  readonly isSignedIn: boolean;
}

const statuses = {
  idle: ["Not opened yet", "curfew-none"],
  connecting: ["Connecting…", "curfew-poor"],
  connected: ["Connected", "curfew-good"],
  closed: ["Closed", "curfew-none"],
} as const satisfies Record<SocketState["status"], readonly [string, string]>;

export function SocketView({ socket, isSignedIn }: SocketProps) {
  const { status, lastClose } = useStore(socket);
  const isReconnecting = status === "closed" && isSignedIn;
  const [label, tone] = isReconnecting
    ? ["Closed, reconnecting…", "curfew-poor"]
    : statuses[status];
  return h(
    Fragment,
    null,
    h("h3", null, "WebSocket"),
    h(
      "dl",
      { className: "curfew-facts" },
      h("dt", null, "State"),
      h(
        "dd",
        null,
        h("span", { className: `curfew-dot ${tone}`, "aria-hidden": true }),
        h("span", { role: "status" }, label),
      ),
      h("dt", null, "Last close"),
      lastClose === undefined
        ? h("dd", null, "None")
        : h(
            "dd",
            null,
            h("code", null, `${lastClose.code} ${lastClose.reason}`.trim()),
            h(
              "div",
              { className: "curfew-hint" },
              "At ",
              h(Time, { value: lastClose.at }),
              `. ${whyClosed(lastClose)}`,
            ),
          ),
    ),
  );
}

/** Curfew's icon in the colours of GraphiQL's theme. */
import { h } from "./graphiql.ts";

export function Logo() {
  return h(
    "svg",
    { className: "curfew-logo", viewBox: "0 0 24 24", "aria-hidden": true },
    h("path", {
      d: "M20.5 14.6A8.9 8.9 0 0 1 9.4 3.5a8.9 8.9 0 1 0 11.1 11.1Z",
      fill: "currentColor",
    }),
  );
}

/** Shows a time, also in machine-readable form. */
import { h } from "./graphiql.ts";
import { when } from "./messages.ts";

export function Time({ value }: { readonly value: string | Date }) {
  const date = new Date(value);
  return h("time", { dateTime: date.toISOString() }, when(date));
}

/** What the URL of a database must be. */
import { z } from "zod";

/**
 * Where a password has a sign in it that means something in a URL and is not percent-encoded, part of it
 * would pass for a port, a path or a parameter, and would be told as such in messages: there, no `@` or
 * `#` may follow.
 */
const shape = /^postgres(ql)?:\/\/[^/?#]*(\/[^/?#@]*)?(\?[^?#@]*)?$/;

export const databaseUrl = z
  .string("a text")
  .refine(
    (text) => shape.test(text) && namesHost(text),
    "a postgres:// URL, with %40 and the like for signs in its password",
  );

/** Beside the usual place, a parameter may name it, as a folder with the server's Unix socket. */
function namesHost(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.hostname !== "" || url.searchParams.has("host"));
}

/** The rule for the URL of a database. */
import { z } from "zod";

/**
 * A password may contain a character that means something in a URL and is not percent-encoded. Part of the
 * password would then pass for a port, a path or a parameter, and appear in messages. So no `@` or `#` may
 * follow the host.
 */
const shape = /^postgres(ql)?:\/\/[^/?#]*(\/[^/?#@]*)?(\?[^?#@]*)?$/;

export const databaseUrl = z
  .string("a string")
  .refine(
    (text) => shape.test(text) && namesHost(text),
    "a postgres:// URL, with special characters in its password percent-encoded, such as %40 for @",
  );

/** The host may also stand in a parameter, as the folder of the server's Unix socket. */
function namesHost(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.hostname !== "" || url.searchParams.has("host"));
}

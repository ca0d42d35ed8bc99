/** Settings of the server: where it listens, who may call it, what it shows. */
import { z } from "zod";
import {
  boolean,
  duration,
  list,
  oneOf,
  secretText,
  text,
  wholeNumber,
  type AnySetting,
} from "../kinds.ts";

export const server = {
  host: {
    variable: "HOST",
    kind: text(z.string("a string").regex(/^[^\s/]+$/, "a host name or an address")),
    default: "127.0.0.1",
    example: "0.0.0.0",
    about: "The address to listen on.",
    details:
      "The default is reachable from this machine only, so that a first start opens nothing to the network. Containers need `0.0.0.0`.",
  },
  port: {
    variable: "PORT",
    kind: wholeNumber(0, 65_535),
    default: 4000,
    example: "4000",
    about: "The port to listen on; 0 takes any free port.",
  },
  drainTime: {
    variable: "DRAIN_TIME",
    // A timer's longest delay is 2^31 ms.
    kind: duration("0ms", "24d"),
    default: 10_000,
    example: "10s",
    about:
      "How long a stopping server finishes requests and spreads the closing of its connections.",
    details:
      "It closes connections evenly over that time, but at least 20 each 100 ms, so that a server with few of them stops soon.",
  },
  allowedOrigins: {
    variable: "ALLOWED_ORIGINS",
    kind: list(
      z.array(
        z
          .string("a string")
          .refine(isWildcardRight, {
            error: "an origin whose * is its whole first label, before at least two others",
            abort: true,
          })
          .refine(isOrigin, "an origin as browsers send it, without a path"),
        "a list of origins",
      ),
    ),
    default: [],
    unset: "the server's own origin only",
    example: "https://*.example.com",
    about: "Origins whose pages may call the server, besides its own.",
    details:
      "`https://app.example.com` is one origin; `https://*.example.com` allows all of its subdomains.",
  },
  trustProxy: {
    variable: "TRUST_PROXY",
    kind: wholeNumber(0, 100),
    default: 0,
    example: "1",
    about: "How many proxies in front of the server append to `X-Forwarded-For`.",
    details:
      "The server takes the client's address from the entry that the outermost of them added.",
  },
  graphiql: {
    variable: "GRAPHIQL",
    kind: boolean(),
    default: true,
    productionDefault: false,
    example: "true",
    about: "Serves the explorer to browsers: GraphiQL with a sign-in form.",
  },
  introspection: {
    variable: "INTROSPECTION",
    kind: boolean(),
    default: true,
    productionDefault: false,
    example: "true",
    about: "Answers introspection queries, which read the schema.",
  },
  metricsToken: {
    variable: "METRICS_TOKEN",
    kind: text(secretText),
    default: undefined,
    unset: "everyone may read `/metrics`; in production, no one",
    example: "what-only-prometheus-and-its-admins-know",
    secrecy: "secret",
    about: "The bearer token for `/metrics`, at least 32 bytes.",
    details: "A scraper sends it as `Authorization: Bearer …`.",
  },
  logLevel: {
    variable: "LOG_LEVEL",
    kind: oneOf(["fatal", "error", "warn", "info", "debug", "trace", "silent"]),
    default: "info",
    example: "info",
    about: "The least severe level that is logged, as pino names it.",
  },
} as const satisfies Record<string, AnySetting>;

/** `*` stands for one or more labels, so it must be a whole label. Before a single label it would allow a whole TLD. */
function isWildcardRight(origin: string): boolean {
  const [before = "", after, ...more] = origin.split("*");
  if (after === undefined) return true;
  return (
    more.length === 0 && before.endsWith("://") && /^(?:\.[^.:/?#]+){2,}(?:[:/?#]|$)/.test(after)
  );
}

/** Whether a browser can send this origin. Browsers send no path, default port or capitals, so one with them never matches. */
function isOrigin(origin: string): boolean {
  const example = origin.replace("://*.", "://any.");
  return /^https?:/.test(example) && URL.canParse(example) && new URL(example).origin === example;
}

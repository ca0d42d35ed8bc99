/** Every regular expression that matches text of clients takes time proportional to its length. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { normaliseEmail } from "../../src/users/email.ts";
import { networkOf } from "../../src/lib/client-network.ts";
import { requestIdFrom } from "../../src/lib/log-context.ts";
import { tokenFromHeader } from "../../src/protocol/connection-init.ts";
import { originPolicy } from "../../src/request/origin-check.ts";
import { knownMessage } from "../../src/graphql/plugins/known-messages.ts";
import { sizeRatio, isLinear, median, threadCost } from "../helpers/cost.ts";
import { regexLiterals } from "../helpers/regex-literals.ts";

/** The default `maxMessageSize`, in bytes. */
const body = 262_144;
/** Node refuses requests with larger headers (bytes). */
const head = 16_384;

/** Files and folders whose patterns match no text of clients, with the reason. */
const unreachable: Readonly<Record<string, string>> = {
  "client/": "runs in the app, on what the server answers and the app sets",
  "cli/": "reads what the operator types",
  "config/": "reads the operator's settings",
  "testing/": "runs in tests of adapters",
  "explorer/modules.ts": "reads the server's own sources",
  "stores/": "reads the operator's settings",
};

/** The most characters that reach the patterns of a file, if fewer than a body has. */
const bounded: Readonly<Record<string, number>> = {
  "explorer/browser/messages.ts": 256,
  "graphql/plugins/known-messages.ts": 1_000,
  "lib/client-network.ts": 100,
  "lib/log-context.ts": head,
  "http/server.ts": head,
  "http/fast-path.ts": head,
  "websocket/server.ts": head,
  "users/email.ts": 254,
};

/** Patterns that are built at run time. The functions that use them are measured instead. */
const assembled: Readonly<Record<string, number>> = {
  "explorer/browser/redact.ts": 2,
  "request/origin-check.ts": 2,
};

const root = new URL("../../src/", import.meta.url);
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) =>
  file.endsWith(".ts"),
);
const found = files.toSorted().flatMap((file) => {
  if (Object.keys(unreachable).some((start) => file.startsWith(start))) return [];
  const literals = regexLiterals(readFileSync(new URL(file, root), "utf8"));
  return literals.map((literal) => ({ file, literal }));
});
const literals = found.filter(({ literal }) => literal.startsWith("/"));

/** Texts that may be slow for a pattern: repetitions of its own parts, followed by a mismatch. */
function* attacks(pattern: string, size: number): Generator<string> {
  const chunks = pattern
    .split(/\\.|\[(?:\\.|[^\]])*\]|\{[\d,]*\}|\(\?(?:<?[=!:]|<\w+>)|[()|?*+^$.]/)
    .filter((chunk) => chunk !== "");
  const some = [...new Set(chunks)].slice(0, 8);
  const characters = Array.from(' a0-_.\n"/\\@,:[](#$!é\u{1F600}');
  const pairs = some.flatMap((one) => some.map((other) => one + other));
  const units = [...characters, ...some, ...pairs, chunks.join(""), "a.", "a ", " \n", '"\\'];
  for (const unit of new Set(units)) {
    if (unit === "") continue;
    const many = unit.repeat(Math.ceil(size / unit.length)).slice(0, size);
    yield `${many}\0`;
    if (some[0] !== undefined) yield `${some[0]}${many}\0`;
  }
}

/** Shorter times are too noisy to compare (ms). */
const floor = 25;

/** Returns the text for which the work is superlinear, or `undefined`. */
function superlinear(work: (text: string) => unknown, pattern: string, most: number) {
  for (const text of attacks(pattern, most)) {
    if (threadCost(() => work(text)) <= floor) continue;
    const small = text.slice(0, Math.ceil(text.length / sizeRatio));
    const cost = (one: string) => median([1, 2, 3].map(() => threadCost(() => work(one))));
    if (!isLinear(cost(small), cost(text), floor)) return text.slice(0, 60);
  }
  return undefined;
}

function regexOf(literal: string): RegExp {
  const end = literal.lastIndexOf("/");
  return new RegExp(literal.slice(1, end), literal.slice(end + 1));
}

it("the search finds the regular expressions of the sources", () => {
  expect(literals.length).toBeGreaterThan(40);
  const put = found.filter(({ literal }) => !literal.startsWith("/"));
  const counts = Object.groupBy(put, ({ file }) => file);
  expect(
    Object.fromEntries(Object.entries(counts).map(([file, all]) => [file, all?.length])),
  ).toEqual(assembled);
  for (const start of [...Object.keys(unreachable), ...Object.keys(bounded)])
    expect(
      files.some((file) => file.startsWith(start)),
      start,
    ).toBe(true);
});

it("the check finds a quadratic pattern", () => {
  const pattern = /( cannot represent (?:a )?non[\w -]* value): [^]*$/;
  const work = (text: string) => text.replace(pattern, "$1.");
  expect(superlinear(work, pattern.source, body / 4)).toContain(" cannot represent non");
});

it.each(literals)("$literal of $file is linear", ({ file, literal }) => {
  const pattern = regexOf(literal);
  const work = (text: string) => text.replace(pattern, "");
  expect(superlinear(work, pattern.source, bounded[file] ?? body)).toBeUndefined();
});

const allows = originPolicy(["https://*.example.com", "https://app.example.com"]);
it.each<[string, (text: string) => unknown, string]>([
  ["an e-mail address", normaliseEmail, "a@.example"],
  ["a client's address", (text) => networkOf(text), "[1.2.3.4]:80"],
  ["a request's id", requestIdFrom, "a-b"],
  ["an Authorization header", tokenFromHeader, "bearer x"],
  ["an origin", (text) => allows(`https://${text}`, "a"), "https://a.example.com"],
  [
    "an error's message",
    (text) => knownMessage(text, true),
    ' does not exist in "A" enum. Did you mean "B"?',
  ],
  [
    "an error's value",
    (text) => knownMessage(`Value "${text}`, true),
    ' does not exist in "A" enum.',
  ],
])("the check of %s is linear", (_, work, pattern) => {
  expect(superlinear(work, pattern, body)).toBeUndefined();
});

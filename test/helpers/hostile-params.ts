/** GraphQL parameters of a given size that are as expensive for the server as possible. */
import type { CurfewOptions } from "../../src/node/create-curfew.ts";

/** The body of a GraphQL request, or the payload of a `subscribe` message. */
export interface Params {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly operationName?: string;
}

/** An app whose arguments take every kind of input type. */
export const hostileApp = {
  typeDefs: /* GraphQL */ `
    enum Color {
      RED
      GREEN
      BLUE
    }
    input Filter {
      color: Color
      colors: [Color!]
      size: Int
      name: String
      and: [Filter!]
    }
    type Person {
      name(of: [Int]): String
      friend: Person
      friends: [Person]
    }
    extend type Query {
      paint(
        color: Color
        colors: [Color!]
        at: DateTime
        filter: Filter
        size: Int
        on: Boolean
      ): Int
      people: [Person!]!
      fails: Int
    }
  `,
  resolvers: {
    Query: {
      paint: () => 1,
      people: () => [],
      fails: () => {
        throw new Error("It fails");
      },
    },
  },
} satisfies CurfewOptions;

/** Repeats the text as often as fits into `size` characters, at least once. */
function fill(size: number, text: string): string {
  return text.repeat(Math.max(1, Math.floor(size / text.length)));
}

/** Joins generated texts until they reach `size` characters, at most `most` of them. */
function each(size: number, most: number, text: (i: number) => string): string {
  const all: string[] = [];
  let length = 0;
  for (let i = 0; i < most && length < size; i += 1) {
    const one = text(i);
    all.push(one);
    length += one.length + 1;
  }
  return all.join(" ");
}

function query(text: string): Params {
  return { query: text };
}

/** Functions that make parameters of about `size` characters, by their description. */
export const hostileParams: Readonly<Record<string, (size: number) => Params>> = {
  // Syntax.
  "a misplaced string that repeats a message": (size) =>
    query(`{ "${fill(size, " cannot represent non")}" }`),
  "a misplaced string that repeats a syntax error": (size) =>
    query(`{ "${fill(size, "Syntax Error: found String ")}" }`),
  "a misplaced string that repeats an enum's error": (size) =>
    query(`{ "${fill(size, '\\" does not exist in \\"Color\\" enum')}" }`),
  "a string of escapes": (size) => query(`{ "${fill(size, "\\u0041")}" }`),
  "a string of surrogates": (size) => query(`{ "${fill(size / 3, "\u{1F600}")}" }`),
  "a string of lone surrogates": (size) => query(`{ "${fill(size / 6, "\uD800")}" }`),
  "an unterminated string": (size) => query(`{ a(b: "${fill(size, "x")}`),
  "a misplaced block string": (size) => query(`{ """${fill(size / 2, "\n ")}""" }`),
  "an unterminated block string": (size) => query(`{ a(b: """${fill(size / 2, "\n ")}`),
  "a syntax error after many lines": (size) => query(`${fill(size / 2, "\n")}{ ) }`),
  "a syntax error after many CRLF": (size) => query(`${fill(size / 4, "\r\n")}{ ) }`),
  "a syntax error after comments": (size) => query(`${fill(size / 3, "#\n")}{ ) }`),
  "a misplaced long name": (size) => query(`{ a(${fill(size, "x")} }`),
  "a long number": (size) => query(`{ paint(size: ${fill(size, "9")}) }`),
  "a long invalid number": (size) => query(`{ paint(size: ${fill(size, "9")}x) }`),
  "an endless invalid escape": (size) => query(`{ a(b: "\\u{${fill(size, "0")}") }`),
  "nested selections": (size) => query(fill(size, "{ a ")),
  "nested lists": (size) => query(`{ paint(colors: ${fill(size, "[")}`),
  "nested objects": (size) => query(`{ paint(filter: ${fill(size, "{and:")}`),
  "nothing but ignored characters": (size) => query(fill(size, ", ")),
  // Names.
  "a long field": (size) => query(`{ ${fill(size, "x")} }`),
  "a long field name similar to a known one": (size) => query(`{ ${fill(size, "hell")} }`),
  "a long argument": (size) => query(`{ paint(${fill(size, "x")}: 1) }`),
  "a long type": (size) => query(`query ($a: ${fill(size, "X")}) { hello(a: $a) }`),
  "a long directive": (size) => query(`{ __typename @${fill(size, "x")} }`),
  "a long fragment": (size) => query(`{ ...${fill(size, "x")} }`),
  "a long alias": (size) => query(`{ ${fill(size / 2, "x")}: no ${fill(size / 2, "x")}: people }`),
  "a long variable": (size) => query(`{ paint(size: $${fill(size, "x")}) }`),
  "a long enum value": (size) => query(`{ paint(color: ${fill(size, "RED")}) }`),
  "a long input field": (size) => query(`{ paint(filter: { ${fill(size, "color")}: 1 }) }`),
  "a long operation": (size) => query(`query ${fill(size, "x")} { no }`),
  "many long fields": (size) =>
    query(`{ ${each(size, 128, (i) => `f${i}${fill(size / 128, "x")}`)} }`),
  "many field names similar to a known one": (size) =>
    query(`{ ${each(size, 4_000, (i) => `__typenam${i}`)} }`),
  "many type names similar to a known one": (size) =>
    query(`query (${each(size, 1_000, (i) => `$v${i}: Strin${i}`)}) { __typename }`),
  // Validation.
  "100 errors after many lines": (size) =>
    query(`${fill(size / 2, "\n")}{ ${each(size, 100, (i) => `no${i}`)} }`),
  "100 errors of 2 KB each": (size) =>
    query(`{ ${each(size, 100, () => `paint(size: "${"x".repeat(2_000)}")`)} }`),
  "literals that repeat a message": (size) =>
    query(`{ paint(size: "${fill(size, " cannot represent non")}") }`),
  "a large object in place of a number": (size) =>
    query(`{ paint(size: {${each(size, 1_200, (i) => `a${i}: "${fill(size / 1_300, "x")}"`)}}) }`),
  "a deep object in place of a number": (size) =>
    query(`{ paint(size: ${"{a: ".repeat(200)}"${fill(size, "x")}"${"}".repeat(200)}) }`),
  "a deep list in place of a number": (size) =>
    query(`{ paint(size: ${"[".repeat(800)}"${fill(size, "x\\n")}"${"]".repeat(800)}) }`),
  "a variable declared many times after many lines": (size) =>
    query(
      `${fill(size / 4, "\n")} query (${each(size, 1_000, () => "$a: Int")}) { paint(size: $a) }`,
    ),
  "many unused variables": (size) =>
    query(`query ${"Q".repeat(200)} (${each(size, 1_000, (i) => `$a${i}: Int`)}) { __typename }`),
  "many fragments in a cycle": (size) =>
    query(
      `${fill(size / 3, "\n")}{ ...F0 } ${each(
        size,
        400,
        (i) => `fragment F${i} on Query { ...F${(i + 1) % 400} ...F0 }`,
      )}`,
    ),
  "a cycle of fragments with 100 back references": (size) =>
    query(
      `{ ...F0 } ${each(size, 500, (i) => `fragment F${i} on Query { ...F${i + 1} }`)} fragment F500 on Query { ${"...F0 ".repeat(100)} }`,
    ),
  "many unused fragments": (size) =>
    query(`{ __typename } ${each(size, 700, (i) => `fragment F${i} on Query { no }`)}`),
  "many fields that repeat": (size) => query(`{ ${each(size, 4_990, () => "__typename")} }`),
  "many composite fields that repeat": (size) =>
    query(`{ ${each(size, 1_200, () => "people { name }")} }`),
  "many fields that repeat with other arguments": (size) =>
    query(`{ ${each(size, 600, (i) => `paint(size: ${i})`)} }`),
  "many fields that repeat with large arguments": (size) =>
    query(`{ ${each(size, 30, () => `paint(filter: {name: "${fill(size / 31, "x")}"})`)} }`),
  "many fragments whose fields overlap": (size) =>
    query(
      `{ ${each(size, 350, (i) => `...F${i}`)} } ${each(
        size,
        350,
        (i) => `fragment F${i} on Query { people { name } hello }`,
      )}`,
    ),
  "selections that overlap within selections": (size) =>
    query(`{ ${each(size, 25, () => `people { ${"friend { friend { name } } ".repeat(20)} }`)} }`),
  "many operations of one name": (size) => query(each(size, 900, () => "query A { no }")),
  "many directives": (size) => query(`{ ${each(size, 99, () => "__typename @no")} }`),
  // Variables.
  "a text in place of a number": (size) => ({
    query: "query ($a: Int) { paint(size: $a) }",
    variables: { a: fill(size, " cannot represent non") },
  }),
  "many texts in place of colors": (size) => ({
    query: "query ($a: [Color!]) { paint(colors: $a) }",
    variables: { a: Array.from({ length: Math.floor(size / 10) }, (_, i) => `GREE${i}`) },
  }),
  "long texts in place of colors": (size) => ({
    query: "query ($a: [Color!]) { paint(colors: $a) }",
    variables: {
      a: Array.from({ length: 49 }, () => fill(size / 50, '" does not exist in "C" enum')),
    },
  }),
  "a text in place of a color after many lines": (size) => ({
    query: `${fill(size / 4, "\n")}query ($a: [Color!]) { paint(colors: $a) }`,
    variables: { a: Array.from({ length: 60 }, () => fill(size / 120, "x")) },
  }),
  "an object with many unknown fields": (size) => ({
    query: "query ($a: Filter) { paint(filter: $a) }",
    variables: {
      a: Object.fromEntries(
        Array.from({ length: Math.floor(size / 20) }, (_, i) => [`colo${i}`, "xxxx"]),
      ),
    },
  }),
  "a large object with unknown fields": (size) => ({
    query: "query ($a: Filter) { paint(filter: $a) }",
    variables: {
      a: {
        name: fill(size, "x"),
        ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`z${i}`, 1])),
      },
    },
  }),
  "an object whose field's name is long": (size) => ({
    query: "query ($a: Filter) { paint(filter: $a) }",
    variables: { a: { [fill(size, "color")]: 1 } },
  }),
  "a deep object": (size) => {
    let a: unknown = { color: "NONE" };
    for (let i = 0; i < Math.min(1_000, size / 14); i += 1) a = { and: [a] };
    return { query: "query ($a: Filter) { paint(filter: $a) }", variables: { a } };
  },
  "a deep list": (size) => ({
    query: "query ($a: [Color!]) { paint(colors: $a) }",
    variables: JSON.parse(
      `{"a":${"[".repeat(Math.min(1_500, size / 4))}${"]".repeat(Math.min(1_500, size / 4))}}`,
    ) as Record<string, unknown>,
  }),
  "many variables that are not provided": (size) =>
    query(
      `query (${each(size, 500, (i) => `$a${i}: Int!`)}) { ${each(size, 500, (i) => `b${i}: paint(size: $a${i})`)} }`,
    ),
  "many undeclared variables": (size) => ({
    query: "{ __typename }",
    variables: Object.fromEntries(
      Array.from({ length: Math.floor(size / 12) }, (_, i) => [`a${i}`, i]),
    ),
  }),
  "a long date": (size) => ({
    query: "query ($a: DateTime) { paint(at: $a) }",
    variables: { a: fill(size, "2026-01-") },
  }),
  "a date in many brackets": (size) => ({
    query: "query ($a: DateTime) { paint(at: $a) }",
    variables: { a: fill(size, "(") },
  }),
  // Execution.
  "an operation that does not exist": (size) => ({
    query: "query A { __typename } query B { __typename }",
    operationName: fill(size, "C"),
  }),
  "100 fields that fail after many lines": (size) =>
    query(`${fill(size / 2, "\n")}{ ${each(size, 100, (i) => `f${i}: fails`)} }`),
  "a long e-mail address": (size) => ({
    query:
      "mutation ($a: String!) { login(email: $a, password: $a) { __typename } register(email: $a, password: $a) { __typename } }",
    variables: { a: `${fill(size, "a.")}@` },
  }),
  "a long token": (size) => ({
    query:
      "mutation ($a: String!) { renew(renewalToken: $a) { __typename } logout(token: $a) { endedSessions } }",
    variables: { a: `Bearer${fill(size, " ")}x` },
  }),
};

/** The parameters as JSON of almost `bytes` bytes; longer only if the smallest of their kind are longer. */
export function jsonOfSize(make: (size: number) => Params, bytes: number): string {
  let size = bytes;
  for (;;) {
    const json = JSON.stringify(make(size));
    const length = Buffer.byteLength(json);
    if (length <= bytes || size < 10) return json;
    size = Math.floor(Math.min((size * bytes) / length, size - 64));
  }
}

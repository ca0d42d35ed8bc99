/** Redaction of typed text: removes values with the name of a password, token or secret, and keeps the rest. */
import { array, assert, constantFrom, oneof, property, string } from "fast-check";
import { Lexer, Source, TokenKind } from "graphql";
import { expect, it } from "vitest";
import { redactQuery, redactVariables } from "../../src/explorer/browser/redact.ts";

it("redaction removes any password", () => {
  assert(
    property(string({ unit: "binary" }), (password) => {
      const sent = (word: string) =>
        `mutation { login(email: "ada@example.com", password: ${word}) { __typename } }`;
      expect(redactQuery(sent(JSON.stringify(password)))).toBe(sent('""'));
      const text = JSON.stringify({ email: "ada@example.com", password, first: 1 });
      const left = JSON.stringify({ email: "ada@example.com", password: "", first: 1 });
      expect(redactVariables(text, "")).toBe(left);
    }),
  );
});

it.each([
  [
    'changePassword(currentPassword: "a", newPassword: "b")',
    'changePassword(currentPassword: "", newPassword: "")',
  ],
  ['($password: String! = "a")', '($password: String! = "")'],
  ['login(password: """a\n"b" c""")', 'login(password: "")'],
  // Incomplete text.
  ['login(password: "correct ho\n) { id }', 'login(password: ""\n) { id }'],
  ['login(password: """correct\nho', 'login(password: ""'],
  ['renew(renewalToken: "a")', 'renew(renewalToken: "")'],
  ['reset(passwords: ["a]", "b"], first: 1)', 'reset(passwords: "", first: 1)'],
  // A number of tokens.
  ["complete(maxTokens: 100)", "complete(maxTokens: 100)"],
  ["($passwords: [String!]!) { a }", "($passwords: [String!]!) { a }"],
  [
    '($p: String! = "a", $q: Int = 1) { login(password: $p, first: $q) }',
    '($p: String! = "", $q: Int = 1) { login(password: $p, first: $q) }',
  ],
  ['login(password: # mine is "a"\n "b")', 'login(password: \n "")'],
  ['login(password, : , "b")', 'login(password, : , "")'],
  ['login(password\n#:\n:"b")', 'login(password\n\n:"")'],
  ['login(password: "\\"a" email: "c")', 'login(password: "" email: "c")'],
  ['login(password: """a\\"""b""")', 'login(password: "")'],
  ['login(password: "a\\', 'login(password: ""\\'],
  ['# login(password: "a")', '# login(password: "")'],
  ["login(password: hunter2)", 'login(password: "")'],
  ["login(password: 12345)", 'login(password: "")'],
  ["login(password: null)", "login(password: null)"],
  ['login(input: {password: "a", n: "b"})', 'login(input: {password: "", n: "b"})'],
  ['login(secret: {of: ["a", {b: "c"}]}, n: 1)', 'login(secret: "", n: 1)'],
  ['login(passwords: ["a", "b', 'login(passwords: ""'],
  ['login(passwords: [["a"], [[]]] n: 1)', 'login(passwords: "" n: 1)'],
  ["{ token: viewer { user { id } } }", "{ token: viewer { user { id } } }"],
  ['{ password: hash(of: "a") }', '{ password: hash(of: "a") }'],
  ['{ a @check(password: "a") { b } }', '{ a @check(password: "") { b } }'],
  [
    '($p: [String!]! # of all\n = ["a"]) { login(passwords: [$p, $q]) }',
    '($p: [String!]! \n = "") { login(passwords: [$p, $q]) }',
  ],
  [
    '($p: String = "a") { login(password: # it\n $p) }',
    '($p: String = "") { login(password: # it\n $p) }',
  ],
  ['($PASSWORD: String = """a""") { a }', '($PASSWORD: String = "") { a }'],
  ["# curfew_access_AbC-_9 and on", "#  and on"],
  ['say(text: "password: x")', 'say(text: "password: x")'],
  ["{ viewer { user { email } } }", "{ viewer { user { email } } }"],
  [
    "mutation ($p: String!) { login(password: $p) }",
    "mutation ($p: String!) { login(password: $p) }",
  ],
])("redaction of the query %j returns %j", (query, left) => {
  expect(redactQuery(query)).toBe(left);
});

it.each([
  ['{ "p": "a", "q": "b" }', "($p: String!) { login(password: $p) }", '{ "p": "", "q": "b" }'],
  ['{ "input": { "newPassword": "a" } }', "", '{ "input": { "newPassword": "" } }'],
  ['{ "password": "a \\" b", "n": 1 }', "", '{ "password": "", "n": 1 }'],
  ['{ "password": "a', "", '{ "password": ""'],
  ['{ "password": /* "a" */ "b" }', "", '{ "password":  "" }'],
  ['{ "password" // it\n: "b" }', "", '{ "password" \n: "" }'],
  ['{ "pass\\u0077ord": "a" }', "", '{ "pass\\u0077ord": "" }'],
  ['{ password: "a" }', "", '{ password: "" }'],
  ['{ "password": 12345, "maxTokens": 5 }', "", '{ "password": "", "maxTokens": 5 }'],
  ['{ "password": {"a": ["b"]}, "n": "c" }', "", '{ "password": "", "n": "c" }'],
  ['{ "p": "a" }', "{ login(password: # it\n, $p) }", '{ "p": "" }'],
  ['{ "text": "the password: x" }', "", '{ "text": "the password: x" }'],
  ['{ "secrets": ["a", "b"], "n": [1] }', "", '{ "secrets": "", "n": [1] }'],
  ['{ "note": "curfew_renewal_abc" }', "", '{ "note": "" }'],
])("redaction of the variables %j of the query %j returns %j", (variables, query, left) => {
  expect(redactVariables(variables, query)).toBe(left);
});

/** Returns the kinds and texts of a query's tokens by graphql-js, without the values of strings. */
function tokensOf(query: string): string[] {
  const lexer = new Lexer(new Source(query));
  const found: string[] = [];
  while (lexer.advance().kind !== TokenKind.EOF) {
    const { kind, value } = lexer.token;
    const isText = kind === TokenKind.STRING || kind === TokenKind.BLOCK_STRING;
    found.push(isText ? kind : `${kind} ${value}`);
  }
  return found;
}

it("redaction changes no GraphQL token but the password", () => {
  const space = constantFrom(
    "",
    " ",
    ",",
    "\n",
    "\r\n",
    "\t",
    "\uFEFF",
    "# a comment\n",
    '# "\n',
    "# (\n",
  );
  const secret = oneof(
    string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    string({ unit: "grapheme-ascii" }).map(
      (text) => `"""${text.replaceAll('"', "'").replaceAll("\\", "/")}"""`,
    ),
  );
  assert(
    property(
      array(space, { minLength: 8, maxLength: 8 }),
      secret,
      ([a, b, c, d, e, f, g, h], password) => {
        const sent = (word: string) =>
          `mutation${a} {${b}login${c}(email:${d}"ada"${e} password${f}:${g}${word}${h}) { __typename } }`;
        const left = redactQuery(sent(password));
        const kinds = (query: string) =>
          tokensOf(query).map((kind) => (kind === "BlockString" ? "String" : kind));
        expect(kinds(left)).toEqual(kinds(sent('""')));
        if (password.length > 8) expect(left).not.toContain(password);
      },
    ),
  );
});

it("redaction takes linear time for unclosed text", () => {
  const texts = [
    'password:"',
    'password:"""',
    "password:[",
    "password:# ",
    "[",
    "{",
    '"',
    "\\",
    "$",
    "# #",
  ];
  for (const text of texts) {
    expect(redactQuery(text.repeat(20_000)).length).toBeLessThan(2 * text.length * 20_000);
    redactVariables(`{"password": ${text.repeat(20_000)}`, text.repeat(20_000));
  }
});

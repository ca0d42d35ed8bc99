/** What a browser keeps of what was typed: everything but what is named a password, a token or a secret. */
import { assert, property, string } from "fast-check";
import { expect, it } from "vitest";
import { redactQuery, redactVariables } from "../../src/explorer/browser/redact.ts";

it("leaves out the password, whatever it is", () => {
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
  // As it is being typed.
  ['login(password: "correct ho\n) { id }', 'login(password: ""\n) { id }'],
  ['login(password: """correct\nho', 'login(password: ""'],
  ['renew(renewalToken: "a")', 'renew(renewalToken: "")'],
  ['reset(passwords: ["a]", "b"], first: 1)', 'reset(passwords: "", first: 1)'],
  // How many.
  ["complete(maxTokens: 100)", "complete(maxTokens: 100)"],
  ["($passwords: [String!]!) { a }", "($passwords: [String!]!) { a }"],
  [
    '($p: String! = "a", $q: Int = 1) { login(password: $p, first: $q) }',
    '($p: String! = "", $q: Int = 1) { login(password: $p, first: $q) }',
  ],
  ["# curfew_access_AbC-_9 and on", "#  and on"],
  ['say(text: "password: x")', 'say(text: "password: x")'],
  ["{ viewer { user { email } } }", "{ viewer { user { email } } }"],
  [
    "mutation ($p: String!) { login(password: $p) }",
    "mutation ($p: String!) { login(password: $p) }",
  ],
])("keeps of the query %j: %j", (query, left) => {
  expect(redactQuery(query)).toBe(left);
});

it.each([
  ['{ "p": "a", "q": "b" }', "($p: String!) { login(password: $p) }", '{ "p": "", "q": "b" }'],
  ['{ "input": { "newPassword": "a" } }', "", '{ "input": { "newPassword": "" } }'],
  ['{ "password": "a \\" b", "n": 1 }', "", '{ "password": "", "n": 1 }'],
  ['{ "password": "a', "", '{ "password": ""'],
  ['{ "secrets": ["a", "b"], "n": [1] }', "", '{ "secrets": "", "n": [1] }'],
  ['{ "note": "curfew_renewal_abc" }', "", '{ "note": "" }'],
])("keeps of the variables %j of %j: %j", (variables, query, left) => {
  expect(redactVariables(variables, query)).toBe(left);
});

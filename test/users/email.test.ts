/** Normalisation of e-mail addresses. */
import { expect, test } from "vitest";
import { normaliseEmail } from "../../src/users/email.ts";

test.each([
  ["white space around it", " \tada@example.com\n"],
  ["capitals", "Ada@EXAMPLE.com"],
])("an address is the same with %s", (_, text) => {
  expect(normaliseEmail(text)).toBe("ada@example.com");
});

test("composed and decomposed letters make the same address", () => {
  expect(normaliseEmail("zoe\u0308@example.com")).toBe("zo\u00EB@example.com");
});

test("letters that only look alike make different addresses", () => {
  expect(normaliseEmail("\uFF41da@example.com")).toBe("\uFF41da@example.com");
});

test("a normalised address is not changed again", () => {
  const once = normaliseEmail("\u0130Zoe\u0308+tag@Sub.B\u00FCcher.example") ?? "";
  expect(once).not.toBe("");
  expect(normaliseEmail(once)).toBe(once);
});

test.each([
  "",
  " ",
  "ada",
  "@example.com",
  "ada@",
  "ada@localhost",
  "ada@@example.com",
  "ada lovelace@example.com",
  "ada@example..com",
  "ada@.example.com",
  "ada@example.com.",
  "ada@example.com\0",
  "a\u200Bda@example.com",
  "ada@example.com\nBcc: bob@example.com",
  "Ada <ada@example.com>",
  `${"a".repeat(65)}@example.com`,
  `ada@${"a.".repeat(130)}example`,
])("%j is not an address", (text) => {
  expect(normaliseEmail(text)).toBeUndefined();
});

test("an address has at most 254 characters", () => {
  const longest = `ada@${"a".repeat(242)}.example`;
  expect(longest).toHaveLength(254);
  expect(normaliseEmail(longest)).toBe(longest);
  expect(normaliseEmail(`a${longest}`)).toBeUndefined();
});

/** The messages of graphql-js that are shown, and the parts of them. */
import { expect, it } from "vitest";
import { knownMessage } from "../../src/graphql/plugins/known-messages.ts";

const secret = "hunter2";

it.each([
  ["a wording that is not known", `Wrong value "${secret}".`],
  ["a value in place of a name", `Unknown type "${secret} ".`],
  ["a known message inside a value", `The value "Unknown type \\"A\\"." is wrong: ${secret}`],
  ["a known message with more after it", `Unknown type "A". ${secret}`],
  ["a suggestion that is none", `It is ${secret}. Did you mean "A"?`],
  ["a message of many lines", `Unknown type "A".\n${secret}`],
  ["a message that is too long", `Unknown type "${"A".repeat(1_000)}${secret}".`],
])("%s is not shown", (_, message) => {
  expect(knownMessage(message, true)).toBeUndefined();
});

it.each([
  [
    `String cannot represent a non string value: "${secret}"`,
    "String cannot represent a non string value.",
  ],
  [
    `Int cannot represent non-integer value: ${secret} value: x`,
    "Int cannot represent non-integer value.",
  ],
  [`Expected value of type "Int", found "${secret}".`, 'Expected value of type "Int".'],
  [`Expected type "Date". ${secret} is no date`, 'Expected type "Date".'],
  [
    `Value "${secret}" does not exist in "A" enum. Did you mean the enum value "B"?`,
    'The enum "A" has no such value.',
  ],
  [
    `Value "x" does not exist in "${secret}" enum." does not exist in "A" enum.`,
    'The enum "A" has no such value.',
  ],
  [
    `Syntax Error: Expected ":", found Name "${secret}".`,
    'Syntax Error: Expected ":", found Name.',
  ],
  [`Syntax Error: Unexpected character: "${secret}".`, "Syntax Error: Unexpected character."],
  [`Unknown type "A". Did you mean "${secret} or so"?`, 'Unknown type "A".'],
])("of %j is shown: %j", (message, shown) => {
  expect(knownMessage(message, true)).toBe(shown);
});

it.each([
  'Unknown type "A". Did you mean "B", "C", or "D"?',
  'Cannot query field "a" on type "B". Did you mean to use an inline fragment on "C" or "D"?',
  'Fields "a" conflict because subfields "b" conflict because "c" and "d" are different fields and subfields "e" conflict because they have differing arguments. Use different aliases on the fields to fetch both if this was intentional.',
  'Cannot spread fragment "A" within itself via "B", "C".',
])("%j is shown as it is", (message) => {
  expect(knownMessage(message, true)).toBe(message);
});

/** How long the tokens of an answer last, by the server's times and the clock here. */
import { expect, it } from "vitest";
import { storedTokensOf } from "../../src/client/stored-tokens.ts";

const second = 1_000;
const minute = 60 * second;

/** By the server's clock in minutes, of which an hour is ours. */
function issued(renewedAt: number, accessTokenExpiresAt: number) {
  const at = (time: number) => new Date(time * minute).toISOString();
  return {
    __typename: "SignedIn",
    tokens: { accessToken: "a", renewalToken: "r", accessTokenExpiresAt: at(accessTokenExpiresAt) },
    viewer: { session: { id: "s", renewedAt: at(renewedAt) }, user: { id: "u" } },
  } as const;
}

it("counts by the server's clock, and from when it was asked here", () => {
  expect(storedTokensOf(issued(0, 30), 60 * minute)).toMatchObject({
    askedAt: 60 * minute,
    lifetime: 30 * minute,
    generation: 0,
  });
});

it("takes off what a lost answer took", () => {
  const before = storedTokensOf(issued(0, 30), 60 * minute);
  // Made at 20 by a request whose answer was lost, and asked for again nine seconds after.
  const after = storedTokensOf(issued(20, 50), 80 * minute + 9 * second, before);
  expect(after).toMatchObject({ lifetime: 30 * minute - 9 * second, generation: 1 });
  expect(storedTokensOf(issued(40, 70), 100 * minute, after)).toMatchObject({
    lifetime: 30 * minute,
  });
});

it("never makes it so short that renewals would follow each other at once", () => {
  expect(storedTokensOf(issued(30, 30), 0).lifetime).toBe(second);
  const before = storedTokensOf(issued(0, 30), 60 * minute);
  // The clock here was set to the next day.
  expect(storedTokensOf(issued(20, 50), 1500 * minute, before).lifetime).toBe(second);
});

/** The lifetime of issued tokens, by the server's times and the local clock. */
import { expect, it } from "vitest";
import { storedTokensOf } from "../../src/client/stored-tokens.ts";

const second = 1_000;
const minute = 60 * second;

/** Times are minutes by the server's clock; 0 there is 60 on the local clock. */
function issued(renewedAt: number, accessTokenExpiresAt: number) {
  const at = (time: number) => new Date(time * minute).toISOString();
  return {
    __typename: "SignedIn",
    tokens: { accessToken: "a", renewalToken: "r", accessTokenExpiresAt: at(accessTokenExpiresAt) },
    viewer: { session: { id: "s", renewedAt: at(renewedAt) }, user: { id: "u" } },
  } as const;
}

it("the lifetime is by the server's clock, from the time of the request", () => {
  expect(storedTokensOf(issued(0, 30), 60 * minute)).toMatchObject({
    askedAt: 60 * minute,
    lifetime: 30 * minute,
    generation: 0,
  });
});

it("the lifetime is shorter by the time that a lost response took", () => {
  const before = storedTokensOf(issued(0, 30), 60 * minute);
  // Issued at 20 to a request whose response was lost. The retry is nine seconds later.
  const after = storedTokensOf(issued(20, 50), 80 * minute + 9 * second, before);
  expect(after).toMatchObject({ lifetime: 30 * minute - 9 * second, generation: 1 });
  expect(storedTokensOf(issued(40, 70), 100 * minute, after)).toMatchObject({
    lifetime: 30 * minute,
  });
});

it("the lifetime is at least a second, so that renewals do not follow each other at once", () => {
  expect(storedTokensOf(issued(30, 30), 0).lifetime).toBe(second);
  const before = storedTokensOf(issued(0, 30), 60 * minute);
  // The local clock was set to the next day.
  expect(storedTokensOf(issued(20, 50), 1500 * minute, before).lifetime).toBe(second);
});

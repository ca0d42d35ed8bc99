import * as fc from "fast-check";
import { expect, test } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { beginSession, rotateSession } from "../../src/session/session.ts";
import { mintPair, readToken, SessionSecret } from "../../src/session/token.ts";
import {
  device,
  lifetimes,
  network,
  secret as ringSecret,
  tokenStrings,
} from "../helpers/domain.ts";

const ring = new KeyRing([ringSecret("new"), ringSecret("old")]);

/** Tokens of two sessions, two generations and both kinds. */
const tokens = [1, 2].flatMap((fill) => {
  const secret = new SessionSecret(new Uint8Array(16).fill(fill));
  const session = beginSession(secret.fingerprint, "ada", device, lifetimes, 1e12);
  const renewed = rotateSession(session, { generation: 0, network }, lifetimes, 1e12 + 1);
  return [session, renewed].flatMap((one) => tokenStrings(mintPair(ring, secret, one)));
});

type Mutation = (token: string) => string;

const token = fc.constantFrom(...tokens);
const place = fc.nat({ max: 102 });
const character = fc.oneof(
  fc.constantFrom("A", "b", "0", "-", "_", "+", "/", "=", " ", "\n", "\0"),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);

const flip = fc
  .tuple(fc.nat({ max: 65 }), fc.nat({ max: 7 }))
  .map(([index, bit]): Mutation => (one) => {
    const body = Buffer.from(one.slice(-88), "base64url");
    body[index] = (body[index] ?? 0) ^ (1 << bit);
    return one.slice(0, -88) + body.toString("base64url");
  });
const replace = fc.tuple(place, character).map(
  ([i, sign]): Mutation =>
    (one) =>
      one.slice(0, i) + sign + one.slice(i + 1),
);
const insert = fc.tuple(place, character).map(
  ([i, sign]): Mutation =>
    (one) =>
      one.slice(0, i) + sign + one.slice(i),
);
const cut = fc.tuple(place, fc.nat({ max: 8 })).map(
  ([i, length]): Mutation =>
    (one) =>
      one.slice(0, i) + one.slice(i + length),
);
const swap = fc.tuple(place, place).map(([i, j]): Mutation => (one) => {
  const signs = [...one];
  [signs[i], signs[j]] = [signs[j] ?? "", signs[i] ?? ""];
  return signs.join("");
});
const truncate = place.map(
  (length): Mutation =>
    (one) =>
      one.slice(0, length),
);
const splice = fc.tuple(token, place).map(
  ([other, i]): Mutation =>
    (one) =>
      one.slice(0, -i) + other.slice(-i),
);
const prefix = fc
  .constantFrom("curfew_access_", "curfew_renewal_", "CURFEW_ACCESS_", "Bearer ", "")
  .map(
    (start): Mutation =>
      (one) =>
        start + one.slice(-88),
  );

const mutations = fc.array(fc.oneof(flip, replace, insert, cut, swap, truncate, splice, prefix), {
  minLength: 1,
  maxLength: 3,
});

test("of 100,000 mutated tokens none is accepted and none throws", () => {
  const counts = { accepted: 0, MALFORMED: 0, BAD_SIGNATURE: 0, WRONG_KIND: 0, EXPIRED: 0 };
  fc.assert(
    fc.property(token, mutations, (original, changes) => {
      const mutated = changes.reduce((one, change) => change(one), original);
      const reading = readToken(ring, mutated);
      counts[reading.ok ? "accepted" : reading.reason] += 1;
      // Some mutations undo each other, and some splices are of a token with itself.
      return reading.ok === tokens.includes(mutated);
    }),
    { numRuns: 100_000 },
  );
  // Not all of them failed at the first look.
  expect(counts.MALFORMED).toBeGreaterThan(10_000);
  expect(counts.BAD_SIGNATURE).toBeGreaterThan(10_000);
});

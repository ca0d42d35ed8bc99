import { inspect } from "node:util";
import { expect, test } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { beginSession } from "../../src/session/session.ts";
import {
  checkToken,
  mintPair,
  mintToken,
  readToken,
  SessionSecret,
  statedKeyId,
} from "../../src/session/token.ts";
import { device, lifetimes, secret as ringSecret } from "../helpers/domain.ts";

const now = Date.UTC(2030, 0, 1);
const [a, b, c] = [ringSecret("a"), ringSecret("b"), ringSecret("c")];
const secret = new SessionSecret(new Uint8Array(16).fill(7));
const session = beginSession(secret.fingerprint, "ada", device, lifetimes, now);

const mint = (...ring: string[]) => mintPair(new KeyRing(ring), secret, session).accessToken;

function reading(ring: readonly string[], token: string, time = now): string {
  const read = checkToken(new KeyRing(ring), token, "access", time);
  return read.ok ? "accepted" : read.reason;
}

test("a ring signs with its first key, and tokens contain that key's id", () => {
  const [newest, oldest] = new KeyRing([b, a]).ids;
  expect(statedKeyId(mint(b, a))).toBe(newest);
  expect(statedKeyId(mint(a))).toBe(oldest);
  expect(statedKeyId("garbage")).toBeUndefined();
});

test("old tokens are accepted until their expiry after a key is added, and refused after their key is removed", () => {
  const old = mint(a);
  expect(reading([b, a], old, session.accessExpiresAt - 1)).toBe("accepted");
  expect(reading([b, a], old, session.accessExpiresAt)).toBe("EXPIRED");
  expect(reading([b], old)).toBe("BAD_SIGNATURE");
});

test("two nodes in the middle of a key rotation accept each other's tokens", () => {
  expect(reading([b, a], mint(a, c))).toBe("accepted");
  expect(reading([a, b], mint(b, a))).toBe("accepted");
});

test("a change of any byte makes the signature invalid", () => {
  const ring = new KeyRing([a]);
  const token = mintToken(ring, { kind: "access", generation: 3, expiresAt: now + 1, secret });
  const body = Buffer.from(token.slice(-88), "base64url");
  for (const [index, byte] of body.entries()) {
    const changed = Buffer.from(body).fill(byte ^ 1, index, index + 1);
    const forged = token.slice(0, -88) + changed.toString("base64url");
    expect(readToken(ring, forged).ok).toBe(false);
  }
});

test("an unknown key id verifies nothing, whatever the signature", () => {
  const ring = new KeyRing([a, b]);
  const content = new Uint8Array(34);
  expect(ring.verify(ring.currentId, content, ring.sign(content))).toBe(true);
  expect(ring.verify(new Uint8Array(6), content, ring.sign(content))).toBe(false);
});

test("a ring needs at least one secret and never prints it", () => {
  expect(() => new KeyRing([])).toThrow("at least one secret");
  const ring = new KeyRing([a]);
  const printed = [JSON.stringify(ring), inspect(ring), inspect(ring, { showHidden: true })];
  expect(printed.join()).not.toContain(a);
});

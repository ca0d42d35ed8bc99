import { createHmac, randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { KeyRing } from "../../src/session/keys.ts";
import { beginSession, rotateSession } from "../../src/session/session.ts";
import { checkToken, mintPair, readToken, SessionSecret } from "../../src/session/token.ts";
import {
  device,
  lifetimes,
  network,
  secret as ringSecret,
  tokenStrings,
} from "../helpers/domain.ts";

const now = Date.UTC(2030, 0, 1);
const ring = new KeyRing([ringSecret("ring")]);
const bytes = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
const secret = new SessionSecret(bytes);
const session = beginSession(secret.fingerprint, "ada", device, lifetimes, now);
const pair = mintPair(ring, secret, session);

/** Where the parts of a token's body are. */
const at = { version: 0, keyId: 1, kind: 7, generation: 8, secret: 18, mac: 34 } as const;

function bodyOf(token: string): Buffer {
  return Buffer.from(token.slice(-88), "base64url");
}

function accessToken(body: Uint8Array): string {
  return `curfew_access_${Buffer.from(body).toString("base64url")}`;
}

/** The access token with some of its body written over, and its signature left as it was. */
function forged(change: (body: Buffer) => void): string {
  const body = bodyOf(pair.accessToken);
  change(body);
  return accessToken(body);
}

describe("a pair of tokens", () => {
  test("reads back as what it was made from", () => {
    const claims = { generation: 0, fingerprint: secret.fingerprint };
    expect(checkToken(ring, pair.accessToken, "access", now)).toMatchObject({
      ok: true,
      claims: { ...claims, kind: "access", expiresAt: session.accessExpiresAt },
    });
    expect(checkToken(ring, pair.renewalToken, "renewal", now)).toMatchObject({
      ok: true,
      claims: { ...claims, kind: "renewal", expiresAt: session.idleExpiresAt },
    });
  });

  test("says its kind in front, for people and for scanners of leaked secrets", () => {
    expect(pair.accessToken).toMatch(/^curfew_access_[\w-]{88}$/);
    expect(pair.renewalToken).toMatch(/^curfew_renewal_[\w-]{88}$/);
  });

  test("carries one secret in both kinds and every generation, and so one fingerprint", () => {
    const later = mintPair(
      ring,
      secret,
      rotateSession(session, { generation: 0, network }, lifetimes, now + 1),
    );
    const tokens = [pair, later].flatMap((one) => [one.accessToken, one.renewalToken]);
    expect(new Set(tokens)).toHaveLength(4);
    for (const token of tokens) {
      expect(bodyOf(token).subarray(at.secret, at.mac)).toEqual(Buffer.from(bytes));
      expect(readToken(ring, token).claims?.fingerprint).toBe(secret.fingerprint);
    }
  });

  test("is the same on every node that makes it, byte for byte", () => {
    const claims = readToken(ring, pair.renewalToken).claims;
    const elsewhere = new KeyRing([ringSecret("ring")]);
    expect(claims && tokenStrings(mintPair(elsewhere, claims.secret, session))).toEqual(
      tokenStrings(pair),
    );
  });
});

/** Whatever makes a text of a value, on purpose or not. */
const printers: [string, (value: unknown) => string][] = [
  ["JSON", (value: unknown) => JSON.stringify(value)],
  ["a template", (value: unknown) => String(value)],
  ["an inspector", (value: unknown) => inspect(value)],
  [
    "a curious inspector",
    (value: unknown) => inspect(value, { showHidden: true, depth: null, getters: true }),
  ],
  ["a look at its fields", (value: unknown) => Object.values(value as object).join(",")],
];

describe("a pair of tokens", () => {
  test.each(printers)("is not printed by %s", (_, print) => {
    for (const value of [pair, { session, tokens: pair }, [pair]])
      for (const token of tokenStrings(pair)) expect(print(value)).not.toContain(token);
  });
});

describe("a session secret", () => {
  test("has 128 random bits, different ones each time", () => {
    const sizes: number[] = [];
    const fingerprints = Array.from({ length: 1_000 }, () => {
      const made = SessionSecret.random((size) => {
        sizes.push(size);
        return randomBytes(size);
      });
      return made.fingerprint;
    });
    expect(new Set(sizes)).toEqual(new Set([16]));
    expect(new Set(fingerprints)).toHaveLength(1_000);
  });

  test("has that length and no other", () => {
    expect(() => new SessionSecret(bytes.subarray(1))).toThrow("16 bytes");
    expect(() => SessionSecret.random(() => new Uint8Array(17))).toThrow("16 bytes");
  });

  test("is not told by the fingerprint", () => {
    expect(Buffer.from(secret.fingerprint, "base64url")).toHaveLength(16);
    expect(Buffer.from(secret.fingerprint, "base64url")).not.toEqual(Buffer.from(bytes));
  });

  test.each(printers)("is not printed by %s", (_, print) => {
    const claims = readToken(ring, pair.accessToken).claims;
    const raw = Buffer.from(bytes);
    const shapes = [
      ...(["hex", "base64", "base64url", "latin1", "utf8"] as const).map((e) => raw.toString(e)),
      [...raw].join(","),
      [...raw].join(", "),
      inspect(raw).slice(8, -1),
    ];
    for (const value of [secret, claims]) {
      const printed = print(value);
      for (const shape of shapes) expect(printed).not.toContain(shape);
    }
  });

  test("is a copy: who wipes the original changes nothing", () => {
    const original = Uint8Array.from(bytes);
    const copy = new SessionSecret(original);
    original.fill(0);
    expect(copy.fingerprint).toBe(secret.fingerprint);
  });
});

describe("a refused token", () => {
  const refusal = (token: string, kind: "access" | "renewal" = "access", time = now) => {
    const reading = checkToken(ring, token, kind, time);
    return reading.ok ? "accepted" : reading.reason;
  };

  test("is of the wrong kind where the other is due", () => {
    expect(refusal(pair.accessToken, "renewal")).toBe("WRONG_KIND");
    expect(refusal(pair.renewalToken, "access")).toBe("WRONG_KIND");
  });

  test.each(["access", "renewal"] as const)("is an %s token from its expiry on", (kind) => {
    const token = kind === "access" ? pair.accessToken : pair.renewalToken;
    const expiry = kind === "access" ? session.accessExpiresAt : session.idleExpiresAt;
    expect(refusal(token, kind, expiry - 1)).toBe("accepted");
    expect(refusal(token, kind, expiry)).toBe("EXPIRED");
    expect(refusal(token, kind, expiry + 1)).toBe("EXPIRED");
  });

  test("still says whose it is when only its kind or its time is wrong", () => {
    const { fingerprint } = secret;
    const wrong = checkToken(ring, pair.accessToken, "renewal", now);
    const expired = checkToken(ring, pair.accessToken, "access", session.accessExpiresAt);
    expect(wrong.claims).toMatchObject({ fingerprint });
    expect(expired.claims).toMatchObject({ fingerprint });
  });

  const body = pair.accessToken.slice("curfew_access_".length);
  /** Its signature is written with signs in which the two alphabets differ. */
  const allOnes = bodyOf(forged((one) => one.fill(0xff, at.mac)));

  test.each([
    ["nothing at all", ""],
    ["garbage", "garbage"],
    ["the bare body", body],
    ["truncated", pair.accessToken.slice(0, -1)],
    ["truncated by a whole group", pair.accessToken.slice(0, -4)],
    ["extended", `${pair.accessToken}A`],
    ["extended by a whole group", `${pair.accessToken}AAAA`],
    ["in the other base64 alphabet", `curfew_access_${allOnes.toString("base64")}`],
    ["with padding", `${pair.accessToken.slice(0, -1)}=`],
    ["with padding at the end", `${pair.accessToken}==`],
    ["with a space before", ` ${pair.accessToken}`],
    ["with a newline after", `${pair.accessToken}\n`],
    ["with a space inside", `${pair.accessToken.slice(0, 50)} ${pair.accessToken.slice(50)}`],
    ["with a null byte after", `${pair.accessToken}\0`],
    ["with another prefix", `other_access_${body}`],
    ["with the prefix of the other kind", `curfew_renewal_${body}`],
    ["with the prefix in upper case", `CURFEW_ACCESS_${body}`],
    ["with the prefix twice", `curfew_access_${pair.accessToken}`],
    ["with a look-alike letter", pair.accessToken.replace("a", "а")],
    ["of another version", forged((one) => one.writeUInt8(2, at.version))],
    ["of no version", forged((one) => one.writeUInt8(0, at.version))],
    ["of a kind that its prefix denies", forged((one) => one.writeUInt8(2, at.kind))],
    ["of no known kind", forged((one) => one.writeUInt8(3, at.kind))],
  ])("is malformed: %s", (_, token) => {
    expect(refusal(token)).toBe("MALFORMED");
    expect(readToken(ring, token).claims).toBeUndefined();
  });

  test.each([
    ["another secret", mintPair(new KeyRing([ringSecret("other")]), secret, session).accessToken],
    ["an unknown key", forged((one) => one.fill(7, at.keyId, at.kind))],
    ["a generation moved ahead", forged((one) => one.writeUInt32BE(1, at.generation))],
    ["an expiry moved away", forged((one) => one.writeUIntBE(2 ** 48 - 1, 12, 6))],
    ["the secret of another session", forged((one) => one.fill(7, at.secret, at.mac))],
    ["no signature", forged((one) => one.fill(0, at.mac))],
    [
      "the fingerprint for the secret",
      forged((one) => one.write(secret.fingerprint, 18, "base64url")),
    ],
  ])("is forged: %s", (_, token) => {
    expect(refusal(token)).toBe("BAD_SIGNATURE");
    expect(readToken(ring, token).claims).toBeUndefined();
  });

  test("is signed with the secret for another purpose", () => {
    const bare = createHmac("sha256", ringSecret("ring"));
    const content = bodyOf(pair.accessToken).subarray(0, at.mac);
    const token = forged((one) => void bare.update(content).digest().copy(one, at.mac));
    expect(refusal(token)).toBe("BAD_SIGNATURE");
  });
});

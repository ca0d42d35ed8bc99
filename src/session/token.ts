/**
 * The token format: signs and verifies access and renewal tokens without a store. A renewal token is called
 * *refresh token* in OAuth.
 *
 * `curfew_access_` or `curfew_renewal_`, followed by 66 bytes in base64url:
 *
 * | bytes | content |
 * | --- | --- |
 * | 1 | version, 1 |
 * | 6 | key id |
 * | 1 | kind: 1 access, 2 renewal |
 * | 4 | generation |
 * | 6 | expiry, epoch milliseconds |
 * | 16 | session secret, random |
 * | 32 | HMAC-SHA256 over all bytes before |
 */
import { hash } from "node:crypto";
import { keyIdBytes, macBytes, type KeyRing } from "./keys.ts";
import type { RefusalReason } from "../protocol/refusal-reasons.ts";
import {
  splitToken,
  tokenBodyLength,
  tokenOffsets as at,
  tokenPrefixes as prefixes,
  type TokenKind,
} from "../protocol/token-format.ts";
import type { Session } from "./session.ts";

/** The content of a token that this key ring signed. */
export interface Claims {
  readonly kind: TokenKind;
  readonly generation: number;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly secret: SessionSecret;
  /** Public id of the session, derived from the secret. */
  readonly fingerprint: string;
}

export type TokenRefusal = Extract<
  RefusalReason,
  "MALFORMED" | "BAD_SIGNATURE" | "WRONG_KIND" | "EXPIRED"
>;

export type TokenReading<Refusal extends RefusalReason = TokenRefusal> =
  | { readonly ok: true; readonly claims: Claims }
  /** With claims if the signature is valid. */
  | { readonly ok: false; readonly reason: Refusal; readonly claims?: Claims };

/**
 * The pair of tokens that a login or a renewal returns. JSON, templates and inspectors do not print them:
 * only the getters return them.
 */
export class TokenPair {
  readonly #accessToken: string;
  readonly #renewalToken: string;

  constructor(accessToken: string, renewalToken: string) {
    this.#accessToken = accessToken;
    this.#renewalToken = renewalToken;
  }

  get accessToken(): string {
    return this.#accessToken;
  }

  get renewalToken(): string {
    return this.#renewalToken;
  }

  /** Also for an inspector that calls getters. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "TokenPair {}";
  }
}

const formatVersion = 1;
const secretBytes = 16;
const kindCodes = { access: 1, renewal: 2 } as const satisfies Record<TokenKind, number>;

const bodyBytes = at.mac + macBytes;
// 66 bytes are exactly 88 characters, without spare bits: every body has only one encoding.
const encodedBody = /^[A-Za-z0-9_-]*$/;

/**
 * The random 128 bits that all tokens of a session share. Stores do not have them, and JSON, templates and
 * inspectors do not print them.
 */
export class SessionSecret {
  /** As Latin-1 text: a buffer takes ten times the memory, and every socket stores a secret. */
  readonly #text: string;
  /** The truncated SHA-256 of the secret: the session's key in stores and topics. */
  readonly fingerprint: string;

  constructor(bytes: Uint8Array) {
    if (bytes.length !== secretBytes) throw new Error(`A session secret has ${secretBytes} bytes.`);
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, secretBytes).toString("latin1");
    // Node returns the digest faster as text than as a buffer.
    const digest = Buffer.from(hash("sha256", bytes, "hex"), "hex");
    this.fingerprint = digest.toString("base64url", 0, 16);
  }

  static random(randomBytes: (size: number) => Uint8Array): SessionSecret {
    return new SessionSecret(randomBytes(secretBytes));
  }

  copyTo(target: Buffer, offset: number): void {
    target.write(this.#text, offset, "latin1");
  }
}

/** Mints the pair of the session's current generation: the same bytes on every node with the same newest key. */
export function mintPair(ring: KeyRing, secret: SessionSecret, session: Session): TokenPair {
  const { generation, accessExpiresAt, idleExpiresAt } = session;
  const token = (kind: TokenKind, expiresAt: number) =>
    mintToken(ring, { kind, generation, expiresAt, secret });
  return new TokenPair(token("access", accessExpiresAt), token("renewal", idleExpiresAt));
}

export function mintToken(ring: KeyRing, claims: Omit<Claims, "fingerprint">): string {
  const body = Buffer.alloc(bodyBytes);
  body[0] = formatVersion;
  ring.currentId.copy(body, at.keyId);
  body[at.kind] = kindCodes[claims.kind];
  body.writeUInt32BE(claims.generation, at.generation);
  body.writeUIntBE(claims.expiresAt, at.expiry, 6);
  claims.secret.copyTo(body, at.secret);
  ring.sign(body.subarray(0, at.mac)).copy(body, at.mac);
  return prefixes[claims.kind] + body.toString("base64url");
}

/** Verifies that this ring signed the token, whatever its kind and even if it is expired. */
export function readToken(ring: KeyRing, token: string): TokenReading {
  const parts = parseToken(token);
  if (parts === undefined) return { ok: false, reason: "MALFORMED" };
  const { kind, body } = parts;
  const content = body.subarray(0, at.mac);
  if (!ring.verify(keyIdOf(body), content, body.subarray(at.mac)))
    return { ok: false, reason: "BAD_SIGNATURE" };
  const secret = new SessionSecret(body.subarray(at.secret, at.mac));
  return {
    ok: true,
    claims: {
      kind,
      generation: body.readUInt32BE(at.generation),
      expiresAt: body.readUIntBE(at.expiry, 6),
      secret,
      fingerprint: secret.fingerprint,
    },
  };
}

/** Verifies the token's signature, kind and expiry. */
export function checkToken(
  ring: KeyRing,
  token: string,
  kind: TokenKind,
  now: number,
): TokenReading {
  const reading = readToken(ring, token);
  if (!reading.ok) return reading;
  const { claims } = reading;
  if (claims.kind !== kind) return { ok: false, reason: "WRONG_KIND", claims };
  if (claims.expiresAt <= now) return { ok: false, reason: "EXPIRED", claims };
  return reading;
}

/** The key id in a well-formed token, in hexadecimal. The signature is not verified. */
export function statedKeyId(token: string): string | undefined {
  const parts = parseToken(token);
  return parts && keyIdOf(parts.body).toString("hex");
}

function parseToken(token: string): { kind: TokenKind; body: Buffer } | undefined {
  const parts = splitToken(token);
  if (parts?.body.length !== tokenBodyLength || !encodedBody.test(parts.body)) return undefined;
  const { kind } = parts;
  const body = Buffer.from(parts.body, "base64url");
  if (body[0] !== formatVersion || body[at.kind] !== kindCodes[kind]) return undefined;
  return { kind, body };
}

function keyIdOf(body: Buffer): Buffer {
  return body.subarray(at.keyId, at.keyId + keyIdBytes);
}

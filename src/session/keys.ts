/** The ring of signing keys: the first one signs, all verify, so that rotating a key logs no user out. */
import {
  createHmac,
  createSecretKey,
  hkdfSync,
  timingSafeEqual,
  type KeyObject,
} from "node:crypto";

export const keyIdBytes = 6;
export const macBytes = 32;

interface Key {
  readonly id: Buffer;
  /** Created once: an HMAC with the key as bytes takes five times as long. */
  readonly key: KeyObject;
}

export class KeyRing {
  readonly #keys: readonly [Key, ...Key[]];

  /** @param secrets newest first; each at least 32 bytes of high entropy. */
  constructor(secrets: readonly string[]) {
    const [first, ...rest] = secrets.map(deriveKey);
    if (first === undefined) throw new Error("A key ring needs at least one secret.");
    this.#keys = [first, ...rest];
  }

  /** The id of the key that signs new tokens. Ids distinguish keys and reveal nothing else about them. */
  get currentId(): Buffer {
    return this.#keys[0].id;
  }

  /** All key ids, newest first, in hexadecimal. */
  get ids(): readonly string[] {
    return this.#keys.map(({ id }) => id.toString("hex"));
  }

  /** Signs with the newest key. */
  sign(content: Uint8Array): Buffer {
    return mac(this.#keys[0], content);
  }

  /** Whether the key with the id is in the ring and made this signature. Compares in constant time. */
  verify(keyId: Uint8Array, content: Uint8Array, signature: Uint8Array): boolean {
    const key = this.#keys.find(({ id }) => id.equals(keyId));
    return key !== undefined && timingSafeEqual(mac(key, content), signature);
  }
}

/** Derived keys are bound to their purpose: the same secret, used elsewhere, cannot sign tokens (HKDF, RFC 5869). */
function deriveKey(secret: string): Key {
  return {
    id: derive(secret, "curfew key id", keyIdBytes),
    key: createSecretKey(derive(secret, "curfew token", 32)),
  };
}

function derive(secret: string, purpose: string, length: number): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", purpose, length));
}

function mac({ key }: Key, content: Uint8Array): Buffer {
  return createHmac("sha256", key).update(content).digest();
}

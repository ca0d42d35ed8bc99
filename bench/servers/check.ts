/** Curfew's session check, written by hand: an app with another server would do this on each request. */
import { Redis } from "ioredis";
import { KeyRing } from "../../src/session/keys.ts";
import type { Session } from "../../src/session/session.ts";
import { checkToken } from "../../src/session/token.ts";

const ring = new KeyRing([process.env["CURFEW_SECRETS"] ?? ""]);
const redis = new Redis(process.env["REDIS_URL"] ?? "", { enableAutoPipelining: true });

/** The user of a token in an `Authorization` header; null without a token, or if its session is gone. */
export async function userOf(authorization: string | undefined): Promise<string | null> {
  const token = authorization?.replace(/^Bearer /, "") ?? "";
  const now = Date.now();
  const reading = checkToken(ring, token, "access", now);
  if (!reading.ok) return null;
  const { fingerprint, generation } = reading.claims;
  const text = await redis.get(`curfew:session:{${fingerprint}}`);
  if (text === null) return null;
  const session = JSON.parse(text) as Session;
  return session.generation === generation && session.idleExpiresAt > now ? session.userId : null;
}

export interface Context {
  readonly userId: string | null;
}

export const resolvers = {
  Query: { viewer: (_parent: unknown, _args: unknown, context: Context) => viewer(context) },
};

function viewer({ userId }: Context) {
  return userId === null ? null : { user: { id: userId } };
}

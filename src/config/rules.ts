/** What the value of a setting must be. */
import { z } from "zod";
import { databaseUrl } from "./database.ts";
import { foreignReplayModes, logLevels, renewalExtensions, type Options } from "./options.ts";
import { redisPlaces, redisSentinelName } from "./redis.ts";

const day = 86_400_000;

/** Each message goes on after "must be". */
export const optionRules = {
  host: z.string("a text").regex(/^[^\s/]+$/, "a host name or an address"),
  port: whole(0, 65_535),
  secrets: z
    .array(z.string("a text").refine(is32Bytes, "at least 32 bytes long"), "a list of secrets")
    .min(1, "at least one secret")
    .refine((secrets) => new Set(secrets).size === secrets.length, "different from each other"),
  dataDir: z.string("a text").regex(/\S/, "a folder, or :memory:"),
  databaseUrl,
  redisUrl: z.url({ protocol: /^rediss?$/, hostname: /./, error: "a redis:// or rediss:// URL" }),
  redisClusterNodes: redisPlaces,
  redisSentinels: redisPlaces,
  redisSentinelName,
  accessTokenTtl: duration(1, 3650),
  renewalTokenTtl: duration(1, 3650),
  sessionMaxAge: duration(1, 3650),
  renewalGrace: duration(0, 3650),
  foreignReplays: z.enum(foreignReplayModes, `one of ${foreignReplayModes.join(", ")}`),
  renewalExtends: z.enum(renewalExtensions, `one of ${renewalExtensions.join(", ")}`),
  // Those that a timer waits for end where a timer can: at 2^31 ms.
  recheckInterval: duration(1, 24),
  outageGrace: duration(0, 24),
  drainTime: duration(0, 24),
  maxSessionsPerUser: whole(0, 1_000_000),
  maxSocketsPerSession: whole(1, 1_000_000),
  maxOperationsPerSocket: whole(1, 1_000_000),
  maxSocketsPerAddress: whole(0, 1_000_000),
  maxMemoryPerSession: whole(1_048_576, 1_099_511_627_776),
  maxMessageSize: whole(1024, 16_777_216),
  maxQueryTokens: whole(1, 1_000_000),
  maxQueryDepth: whole(1, 1_000_000),
  maxQueryAliases: whole(0, 1_000_000),
  maxQueryDirectives: whole(0, 1_000_000),
  maxQueryCost: whole(1, 1_000_000_000),
  maxLoginFailures: whole(1, 1_000_000),
  maxLoginsPerAccount: whole(1, 1_000_000),
  maxFailuresPerAddress: whole(1, 1_000_000),
  maxRegistrationsPerAddress: whole(1, 1_000_000),
  // Where attempts are counted in the process, a timer waits for this one too.
  attemptWindow: duration(1000, 24),
  argon2Memory: whole(leastMemory(Infinity), 4_194_304),
  argon2Passes: whole(1, 100),
  argon2Parallelism: whole(1, 64),
  allowedOrigins: z.array(
    z
      .string("a text")
      .refine(isWildcardRight, {
        error: "an origin whose * is its whole first label, before at least two others",
        abort: true,
      })
      .refine(isOrigin, "an origin as browsers send it, without a path"),
    "a list of origins",
  ),
  trustProxy: whole(0, 100),
  graphiql: z.boolean("true or false"),
  introspection: z.boolean("true or false"),
  metricsToken: z.string("a text").refine(is32Bytes, "at least 32 bytes long"),
  logLevel: z.enum(logLevels, `one of ${logLevels.join(", ")}`),
} satisfies { [Name in keyof Options]: z.ZodType<NonNullable<Options[Name]>> };

function whole(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int(error).min(min, error).max(max, error);
}

function duration(minMilliseconds: number, maxDays: number) {
  const error = `a duration from ${minMilliseconds}ms to ${maxDays}d`;
  return z
    .int(error)
    .min(minMilliseconds, error)
    .max(maxDays * day, error);
}

function is32Bytes(secret: string): boolean {
  return Buffer.byteLength(secret) >= 32;
}

/** `*` stands for one label or more, so it is one; before a single label it would list the sites of everybody. */
function isWildcardRight(text: string): boolean {
  const [before = "", after, ...more] = text.split("*");
  if (after === undefined) return true;
  return (
    more.length === 0 && before.endsWith("://") && /^(?:\.[^.:/?#]+){2,}(?:[:/?#]|$)/.test(after)
  );
}

/** Browsers send no path, no default port and no capitals, so an origin with one would never match. */
function isOrigin(text: string): boolean {
  const origin = text.replace("://*.", "://any.");
  return /^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin;
}

/** KiB that so many passes of argon2id need: the OWASP Password Storage Cheat Sheet takes them for equal. */
export function leastMemory(passes: number): number {
  return [47_104, 19_456, 12_288, 9216][passes - 1] ?? 7168;
}

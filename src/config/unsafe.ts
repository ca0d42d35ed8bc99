/** What is allowed and yet unsafe about settings, to be told at the start. */
import type { Options } from "./options.ts";

const loopback = /^(localhost|127(\.\d+){3}|::1|\[::1\])$/;

/**
 * One sentence each, with nothing secret in it.
 *
 * @param production whether `NODE_ENV` is `production`
 * @param hasOwnUsers whether the users are in a directory of the app's own
 */
export function unsafeSettings(
  options: Options,
  production: boolean,
  hasOwnUsers: boolean,
): readonly string[] {
  const { secrets = [], host, databaseUrl } = options;
  const isOpen = !loopback.test(host);
  const hasRedis = [options.redisUrl, options.redisClusterNodes, options.redisSentinels].some(
    (given) => given !== undefined,
  );
  const always: readonly (readonly [boolean, string])[] = [
    [
      !production && isOpen,
      "NODE_ENV is not production, and others reach this server: it shows GraphiQL and its schema to all of them. Set NODE_ENV=production.",
    ],
    [
      secrets.some(isPoor),
      "A secret of CURFEW_SECRETS has few different signs in it and can be guessed. `openssl rand -base64 32` makes a good one.",
    ],
    [
      hasRedis && databaseUrl === undefined && !hasOwnUsers,
      "Sessions are shared in Redis, and users are not: each node has users of its own. Set DATABASE_URL.",
    ],
  ];
  const inProduction: readonly (readonly [boolean, string])[] = [
    [options.graphiql, "GRAPHIQL is on in production."],
    [options.introspection, "INTROSPECTION is on in production: anybody can read the schema."],
    [
      options.dataDir === ":memory:" && (!hasRedis || (databaseUrl === undefined && !hasOwnUsers)),
      "DATA_DIR is :memory: in production: a restart forgets what it keeps.",
    ],
    [
      !isOpen && options.trustProxy === 0,
      "TRUST_PROXY is 0, and only what runs on this machine reaches the server: if that is a proxy, all clients count as one address. Set TRUST_PROXY=1.",
    ],
    [
      isPlainRedis(options),
      "The link to Redis is not encrypted, and leads to another machine. Use rediss://.",
    ],
    [
      databaseUrl !== undefined && isPlainDatabase(databaseUrl),
      "The link to PostgreSQL may be read or led astray, and leads to another machine. Add sslmode=verify-full to DATABASE_URL.",
    ],
    [
      options.allowedOrigins.some((origin) => origin.startsWith("http:")),
      "ALLOWED_ORIGINS has an origin without TLS: whoever is on its way may call in its name.",
    ],
    [
      options.maxSessionsPerUser === 0 || options.maxSocketsPerAddress === 0,
      "MAX_SESSIONS_PER_USER or MAX_SOCKETS_PER_ADDRESS is 0: one client may take all there is.",
    ],
  ];
  const facts = production ? [...always, ...inProduction] : always;
  return facts.flatMap(([isSo, sentence]) => (isSo ? [sentence] : []));
}

/** Whether it is a word that repeats, or the like; 32 random bytes have more different signs in any encoding. */
function isPoor(secret: string): boolean {
  return new Set(secret).size < 8;
}

function isPlainRedis({ redisUrl, redisClusterNodes, redisSentinels, redisSentinelName }: Options) {
  const places = redisSentinels === undefined ? (redisClusterNodes ?? [redisUrl]) : redisSentinels;
  if (redisSentinelName?.startsWith("rediss:") === true) return false;
  return places.some((place) => {
    if (place === undefined || place.startsWith("rediss:")) return false;
    const url = URL.parse(place.includes("://") ? place : `redis://${place}`);
    return url !== null && !loopback.test(url.hostname);
  });
}

function isPlainDatabase(databaseUrl: string): boolean {
  const url = URL.parse(databaseUrl);
  if (url === null) return false;
  const host = url.searchParams.get("host") ?? url.hostname;
  const isLocal = loopback.test(host) || host.startsWith("/");
  return !isLocal && url.searchParams.get("sslmode") !== "verify-full";
}

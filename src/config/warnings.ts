/** Warnings about settings that are valid but unsafe. A start logs and prints them. */
import type { Options } from "./options.ts";

const loopback = /^(localhost|127(\.\d+){3}|::1|\[::1\])$/;

/**
 * Returns one warning for each unsafe setting. No warning contains a secret, a password or a host.
 *
 * @param production whether `NODE_ENV` is `production`
 * @param hasOwnUsers whether the app brings its own user directory
 */
export function securityWarnings(
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
      "NODE_ENV is not production, and other machines can reach this server: it shows GraphiQL and its schema to everyone. Set NODE_ENV=production.",
    ],
    [
      secrets.some(isWeak),
      "A secret in CURFEW_SECRETS has few different characters and can be guessed. `openssl rand -base64 32` makes a good one.",
    ],
    [
      hasRedis && databaseUrl === undefined && !hasOwnUsers,
      "Nodes share their sessions in Redis, but not their users: each node has its own users. Set DATABASE_URL.",
    ],
  ];
  const inProduction: readonly (readonly [boolean, string])[] = [
    [options.graphiql, "GRAPHIQL is on in production."],
    [options.introspection, "INTROSPECTION is on in production: everyone can read the schema."],
    [
      options.dataDir === ":memory:" && (!hasRedis || (databaseUrl === undefined && !hasOwnUsers)),
      "DATA_DIR is :memory: in production: a restart loses the data.",
    ],
    [
      !isOpen && options.trustProxy === 0,
      "TRUST_PROXY is 0, and only this machine can reach the server: if a proxy runs here, all clients count as one address. Set TRUST_PROXY=1.",
    ],
    [
      isPlainRedis(options),
      "The connection to Redis is not encrypted and leaves this machine. Use rediss://.",
    ],
    [
      databaseUrl !== undefined && isPlainDatabase(databaseUrl),
      "The connection to PostgreSQL leaves this machine and can be read or redirected. Add sslmode=verify-full to DATABASE_URL.",
    ],
    [
      options.allowedOrigins.some((origin) => origin.startsWith("http:")),
      "ALLOWED_ORIGINS has an origin without TLS: an attacker on the network can call the server in its name.",
    ],
    [
      options.maxSessionsPerUser === 0 || options.maxSocketsPerAddress === 0,
      "MAX_SESSIONS_PER_USER or MAX_SOCKETS_PER_ADDRESS is 0: one client can use up the server's resources.",
    ],
  ];
  const facts = production ? [...always, ...inProduction] : always;
  return facts.flatMap(([isSo, warning]) => (isSo ? [warning] : []));
}

/** Whether it is a repeated word or the like: 32 random bytes have more different characters in any encoding. */
function isWeak(secret: string): boolean {
  return new Set(secret).size < 8;
}

function isPlainRedis({ redisUrl, redisClusterNodes, redisSentinels, redisSentinelName }: Options) {
  if (redisSentinelName?.startsWith("rediss:") === true) return false;
  const endpoints = redisSentinels ?? redisClusterNodes ?? [redisUrl];
  return endpoints.some((endpoint) => {
    if (endpoint === undefined || endpoint.startsWith("rediss:")) return false;
    const url = URL.parse(endpoint.includes("://") ? endpoint : `redis://${endpoint}`);
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

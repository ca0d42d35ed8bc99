/** Loading settings: reading values, refusing wrong ones, and what the messages contain. */
import { describe, expect, test } from "vitest";
import { checkOptions, loadOptions } from "../../src/config/load.ts";
import { defaultOptions, names, settings } from "../../src/config/settings.ts";
import { issuesOf } from "../helpers/issues.ts";

const secret = "a-secret-of-thirty-two-bytes-and-more";
const older = "an-older-secret-of-thirty-two-bytes";

const issues = (env: Record<string, string | undefined>) => issuesOf(() => loadOptions(env));

describe("loadOptions", () => {
  test("an empty environment gives every option its default", () => {
    expect(loadOptions({})).toEqual(defaultOptions(false));
  });

  test("values of every kind are read from the environment", () => {
    expect(
      loadOptions({
        HOST: "::",
        PORT: "0",
        CURFEW_SECRETS: `${secret}, ${older}`,
        DATA_DIR: ":memory:",
        DATABASE_URL: "postgresql://user:p%40ss@[::1]:5433/curfew?sslmode=verify-full",
        REDIS_URL: "rediss://user:password@redis.example.com:6380/1",
        ACCESS_TOKEN_TTL: "500ms",
        RENEWAL_TOKEN_TTL: "2h",
        SESSION_MAX_AGE: "1d",
        RENEWAL_GRACE: "0s",
        FOREIGN_REPLAYS: "audit",
        RENEWAL_EXTENDS: "none",
        RECHECK_INTERVAL: "1s",
        OUTAGE_GRACE: "1m",
        DRAIN_TIME: "0ms",
        MAX_SOCKETS_PER_SESSION: "3",
        MAX_OPERATIONS_PER_SOCKET: "4",
        MAX_SOCKETS_PER_ADDRESS: "0",
        MAX_MEMORY_PER_SESSION: "1048576",
        MAX_MESSAGE_SIZE: "1024",
        MAX_QUERY_TOKENS: "10",
        MAX_QUERY_DEPTH: "11",
        MAX_QUERY_ALIASES: "0",
        MAX_QUERY_DIRECTIVES: "12",
        MAX_QUERY_COST: "1000000000",
        ARGON2_MEMORY: "7168",
        ARGON2_PASSES: "5",
        ARGON2_PARALLELISM: "2",
        MAX_SESSIONS_PER_USER: "7",
        MAX_LOGIN_FAILURES: "5",
        MAX_LOGINS_PER_ACCOUNT: "20",
        MAX_FAILURES_PER_ADDRESS: "50",
        MAX_REGISTRATIONS_PER_ADDRESS: "6",
        ATTEMPT_WINDOW: "1h",
        ALLOWED_ORIGINS: "https://app.example.com,https://*.example.com, http://localhost:3000",
        TRUST_PROXY: "2",
        GRAPHIQL: "false",
        INTROSPECTION: "true",
        METRICS_TOKEN: older,
        LOG_LEVEL: "silent",
        NODE_ENV: "production",
      }),
    ).toEqual({
      ...defaultOptions(true),
      host: "::",
      port: 0,
      secrets: [secret, older],
      dataDir: ":memory:",
      databaseUrl: "postgresql://user:p%40ss@[::1]:5433/curfew?sslmode=verify-full",
      redisUrl: "rediss://user:password@redis.example.com:6380/1",
      accessTokenTtl: 500,
      renewalTokenTtl: 7_200_000,
      sessionMaxAge: 86_400_000,
      renewalGrace: 0,
      foreignReplays: "audit",
      renewalExtends: "none",
      recheckInterval: 1000,
      outageGrace: 60_000,
      drainTime: 0,
      maxSocketsPerSession: 3,
      maxOperationsPerSocket: 4,
      maxSocketsPerAddress: 0,
      maxMemoryPerSession: 1_048_576,
      maxMessageSize: 1024,
      maxQueryTokens: 10,
      maxQueryDepth: 11,
      maxQueryAliases: 0,
      maxQueryDirectives: 12,
      maxQueryCost: 1_000_000_000,
      argon2Memory: 7168,
      argon2Passes: 5,
      argon2Parallelism: 2,
      maxSessionsPerUser: 7,
      maxLoginFailures: 5,
      maxLoginsPerAccount: 20,
      maxFailuresPerAddress: 50,
      maxRegistrationsPerAddress: 6,
      attemptWindow: 3_600_000,
      allowedOrigins: ["https://app.example.com", "https://*.example.com", "http://localhost:3000"],
      trustProxy: 2,
      graphiql: false,
      introspection: true,
      metricsToken: older,
      logLevel: "silent",
    });
  });

  test("an empty or blank variable counts as unset", () => {
    const env: Record<string, string> = { MAX_SESSIONS_PER_USER: "" };
    for (const [index, name] of names.entries())
      env[settings[name].variable] = " ".repeat(index % 2);
    expect(loadOptions(env)).toEqual(defaultOptions(false));
  });

  test("GraphiQL and introspection are off in production unless they are set", () => {
    const production = { NODE_ENV: "production", CURFEW_SECRETS: secret };
    expect(loadOptions(production)).toMatchObject({ graphiql: false, introspection: false });
    expect(loadOptions({ ...production, GRAPHIQL: "true" })).toMatchObject({ graphiql: true });
  });
});

describe("a wrong value stops the start, with a message that explains it", () => {
  const ports = "PORT must be a whole number from 0 to 65535";
  const redis =
    "REDIS_URL must be a redis:// or rediss:// URL. Example: REDIS_URL=redis://localhost:6379";
  const origins = "must be an origin as browsers send it, without a path";
  const wildcards =
    "must be an origin whose * is its whole first label, before at least two others";
  const example = "Example: ALLOWED_ORIGINS=https://*.example.com";
  test.each([
    [
      "HOST",
      "http://[::1]",
      "HOST must be a host name or an address, not 'http://[::1]'. Example: HOST=0.0.0.0",
    ],
    ["PORT", "http", `${ports}, not 'http'. Example: PORT=4000`],
    ["PORT", "65536", `${ports}, not '65536'. Example: PORT=4000`],
    ["PORT", "-1", `${ports}, not '-1'. Example: PORT=4000`],
    ["PORT", "4e3", `${ports}, not '4e3'. Example: PORT=4000`],
    [
      "ACCESS_TOKEN_TTL",
      "30",
      "ACCESS_TOKEN_TTL must be a duration from 1ms to 3650d, not '30'. Example: ACCESS_TOKEN_TTL=30m",
    ],
    [
      "RENEWAL_TOKEN_TTL",
      "1 month",
      "RENEWAL_TOKEN_TTL must be a duration from 1ms to 3650d, not '1 month'. Example: RENEWAL_TOKEN_TTL=30d",
    ],
    [
      "SESSION_MAX_AGE",
      "3651d",
      "SESSION_MAX_AGE must be a duration from 1ms to 3650d, not '3651d'. Example: SESSION_MAX_AGE=90d",
    ],
    [
      "RENEWAL_GRACE",
      "-1s",
      "RENEWAL_GRACE must be a duration from 0ms to 3650d, not '-1s'. Example: RENEWAL_GRACE=10s",
    ],
    [
      "RECHECK_INTERVAL",
      "0s",
      "RECHECK_INTERVAL must be a duration from 1ms to 24d, not '0s'. Example: RECHECK_INTERVAL=5s",
    ],
    [
      "OUTAGE_GRACE",
      "1.5s",
      "OUTAGE_GRACE must be a duration from 0ms to 24d, not '1.5s'. Example: OUTAGE_GRACE=30s",
    ],
    [
      "DRAIN_TIME",
      "25d",
      "DRAIN_TIME must be a duration from 0ms to 24d, not '25d'. Example: DRAIN_TIME=10s",
    ],
    [
      "MAX_SOCKETS_PER_SESSION",
      "0",
      "MAX_SOCKETS_PER_SESSION must be a whole number from 1 to 1000000, not '0'. Example: MAX_SOCKETS_PER_SESSION=100",
    ],
    [
      "MAX_OPERATIONS_PER_SOCKET",
      "many",
      "MAX_OPERATIONS_PER_SOCKET must be a whole number from 1 to 1000000, not 'many'. Example: MAX_OPERATIONS_PER_SOCKET=100",
    ],
    [
      "ARGON2_MEMORY",
      "19MiB",
      "ARGON2_MEMORY must be a whole number from 7168 to 4194304, not '19MiB'. Example: ARGON2_MEMORY=65536",
    ],
    [
      "ARGON2_PASSES",
      "0",
      "ARGON2_PASSES must be a whole number from 1 to 100, not '0'. Example: ARGON2_PASSES=3",
    ],
    [
      "ARGON2_PARALLELISM",
      "65",
      "ARGON2_PARALLELISM must be a whole number from 1 to 64, not '65'. Example: ARGON2_PARALLELISM=1",
    ],
    [
      "TRUST_PROXY",
      "true",
      "TRUST_PROXY must be a whole number from 0 to 100, not 'true'. Example: TRUST_PROXY=1",
    ],
    ["GRAPHIQL", "yes", "GRAPHIQL must be true or false, not 'yes'. Example: GRAPHIQL=true"],
    [
      "INTROSPECTION",
      "0",
      "INTROSPECTION must be true or false, not '0'. Example: INTROSPECTION=true",
    ],
    [
      "FOREIGN_REPLAYS",
      "ignore",
      "FOREIGN_REPLAYS must be one of end, audit, not 'ignore'. Example: FOREIGN_REPLAYS=audit",
    ],
    [
      "LOG_LEVEL",
      "verbose",
      "LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not 'verbose'. Example: LOG_LEVEL=info",
    ],
    ...[
      "*",
      "https://*",
      "https://*example.com",
      "https://*.com",
      "https://*.com:8443",
      "https://app.*",
      "https://app*.example.com",
      "https://a.*.example.com",
      "https://*.*.example.com",
      "https://**.example.com",
      "https://*..example.com",
      "https://*.example.com:*",
      "*://a.example.com",
      "*.example.com",
    ].map((origin): [string, string, string] => [
      "ALLOWED_ORIGINS",
      origin,
      `ALLOWED_ORIGINS (number 1) ${wildcards}, not '${origin}'. ${example}`,
    ]),
    [
      "ALLOWED_ORIGINS",
      "https://*.example.com/",
      `ALLOWED_ORIGINS (number 1) ${origins}, not 'https://*.example.com/'. ${example}`,
    ],
    [
      "ALLOWED_ORIGINS",
      "http://a.example,http://b.example/",
      `ALLOWED_ORIGINS (number 2) ${origins}, not 'http://b.example/'. ${example}`,
    ],
    [
      "ALLOWED_ORIGINS",
      "https://a.example:443",
      `ALLOWED_ORIGINS (number 1) ${origins}, not 'https://a.example:443'. ${example}`,
    ],
    [
      "ALLOWED_ORIGINS",
      "https://A.example",
      `ALLOWED_ORIGINS (number 1) ${origins}, not 'https://A.example'. ${example}`,
    ],
    [
      "ALLOWED_ORIGINS",
      "ftp://a.example",
      `ALLOWED_ORIGINS (number 1) ${origins}, not 'ftp://a.example'. ${example}`,
    ],
    ["REDIS_URL", "localhost:6379", redis],
    ["REDIS_URL", "http://localhost:6379", redis],
    ["REDIS_URL", "redis:6379", redis],
  ])("%s=%s", (name, value, issue) => {
    expect(issues({ CURFEW_SECRETS: secret, [name]: value })).toEqual([issue]);
  });

  test("one message lists all issues", () => {
    const env = { PORT: "http", LOG_LEVEL: "loud", DATABASE_URL: "x", ACCESS_TOKEN_TTL: "31d" };
    const all = issues(env);
    const named = all.map((issue) => issue.split(" ")[0]);
    expect(new Set(named)).toEqual(new Set(Object.keys(env)));
    expect(() => loadOptions(env)).toThrow(["These settings are wrong:", ...all].join("\n  "));
  });
});

describe("DATABASE_URL", () => {
  test.each([
    "postgres://localhost",
    "postgres://user:p@ss@10.0.0.1:5432/curfew",
    "postgres:///curfew?host=/run/postgresql",
    "postgres://user@db.example/curfew?options=-csearch_path%3Dapp&sslrootcert=/etc/ca.pem",
  ])("accepts %s", (url) => {
    expect(loadOptions({ DATABASE_URL: url })).toMatchObject({ databaseUrl: url });
  });

  test.each([
    "localhost:5432",
    "mysql://user:hunter2@localhost/curfew",
    "postgres://",
    "postgres:///curfew",
    "postgres://user:123#hunter2@localhost/curfew",
    "postgres://user:123/hunter2@localhost/curfew",
    "postgres://user:123?hunter2@localhost/curfew",
    "postgres://user:hunter2/4@localhost/curfew",
    "postgres://user:hunter2@localhost:port/curfew",
  ])("refuses %s, and the message does not quote it", (url) => {
    expect(issues({ DATABASE_URL: url })).toEqual([
      "DATABASE_URL must be a postgres:// URL, with special characters in its password percent-encoded, such as %40 for @." +
        " Example: DATABASE_URL=postgres://user:password@localhost:5432/curfew",
    ]);
  });
});

describe("the settings of Redis", () => {
  const set = (env: Record<string, string>) => issues({ CURFEW_SECRETS: secret, ...env });
  const nodes = "a host and port, or a redis:// or rediss:// URL of them. Example:";
  const cluster = "REDIS_CLUSTER_NODES=10.0.0.1:6379,10.0.0.2:6379";
  const name =
    "REDIS_SENTINEL_NAME must be a name, or a redis:// or rediss:// URL that has the name as its host." +
    " Example: REDIS_SENTINEL_NAME=mymaster";

  test("name a cluster or Sentinels, with users and TLS", () => {
    expect(
      loadOptions({
        CURFEW_SECRETS: secret,
        REDIS_CLUSTER_NODES: "rediss://app:p%2Cw@a.example:7000, rediss://app:p%2Cw@[::1]:7001",
      }),
    ).toMatchObject({
      redisClusterNodes: ["rediss://app:p%2Cw@a.example:7000", "rediss://app:p%2Cw@[::1]:7001"],
    });
    expect(
      loadOptions({
        CURFEW_SECRETS: secret,
        REDIS_SENTINELS: "a.example,b.example:26380",
        REDIS_SENTINEL_NAME: "redis://app:hunter2@the_master.1/2",
      }),
    ).toMatchObject({
      redisSentinels: ["a.example", "b.example:26380"],
      redisSentinelName: "redis://app:hunter2@the_master.1/2",
    });
  });

  test.each([
    ["a:1,http://user:hunter2@b:2", `REDIS_CLUSTER_NODES (number 2) must be ${nodes} ${cluster}`],
    ["a:1,b:x", `REDIS_CLUSTER_NODES (number 2) must be ${nodes} ${cluster}`],
    ["redis://a:1/1", `REDIS_CLUSTER_NODES (number 1) must be ${nodes} ${cluster}`],
    [",", `REDIS_CLUSTER_NODES must be at least one host and port. Example: ${cluster}`],
    [
      "redis://:hunter2@a:1,b:1",
      "REDIS_CLUSTER_NODES must be URLs with the same protocol, user and password, if any of them has these." +
        ` Example: ${cluster}`,
    ],
  ])("refuse the cluster nodes %s", (value, issue) => {
    expect(set({ REDIS_CLUSTER_NODES: value })).toEqual([issue]);
  });

  test.each(["my master", "redis://:hunter2@m/x", "redis://m:6379", "http://m", "m/a"])(
    "refuse the Sentinel name %s",
    (value) => {
      expect(set({ REDIS_SENTINELS: "a:1", REDIS_SENTINEL_NAME: value })).toEqual([name]);
    },
  );

  test("name only one Redis", () => {
    const all = { REDIS_URL: "redis://a", REDIS_CLUSTER_NODES: "a:1", REDIS_SENTINELS: "a:1" };
    expect(set({ ...all, REDIS_SENTINEL_NAME: "m" })).toEqual([
      "REDIS_CLUSTER_NODES must be unset if REDIS_URL is set: Curfew uses one Redis",
      "REDIS_SENTINELS must be unset if REDIS_URL is set: Curfew uses one Redis",
    ]);
  });

  test.each([
    ["REDIS_SENTINELS", "REDIS_SENTINEL_NAME", "mymaster"],
    ["REDIS_SENTINEL_NAME", "REDIS_SENTINELS", "10.0.0.1:26379,10.0.0.2:26379"],
  ])("%s requires %s", (given, missing, example) => {
    expect(set({ [given]: "m" })).toEqual([
      `${missing} must be set if ${given} is set. Example: ${missing}=${example}`,
    ]);
  });
});

describe("durations must fit each other", () => {
  test.each([
    [
      { ACCESS_TOKEN_TTL: "31d" },
      "ACCESS_TOKEN_TTL must be at most RENEWAL_TOKEN_TTL, which is 30d. Example: ACCESS_TOKEN_TTL=30d",
    ],
    [
      { RENEWAL_TOKEN_TTL: "91d" },
      "RENEWAL_TOKEN_TTL must be at most SESSION_MAX_AGE, which is 90d. Example: RENEWAL_TOKEN_TTL=90d",
    ],
    [
      { ACCESS_TOKEN_TTL: "10s" },
      "RENEWAL_GRACE must be shorter than ACCESS_TOKEN_TTL, which is 10s. Example: RENEWAL_GRACE=5s",
    ],
    [
      { RECHECK_INTERVAL: "31s" },
      "RECHECK_INTERVAL must be at most OUTAGE_GRACE, which is 30s. Example: RECHECK_INTERVAL=30s",
    ],
  ])("%o", (env, issue) => {
    expect(issues(env)).toEqual([issue]);
  });

  test("equal durations fit, except for the grace", () => {
    const month = { ACCESS_TOKEN_TTL: "30d", RENEWAL_TOKEN_TTL: "30d", SESSION_MAX_AGE: "30d" };
    expect(issues({ ...month, RECHECK_INTERVAL: "5s", OUTAGE_GRACE: "5s" })).toEqual([]);
  });

  test("a wrong duration is not compared with others", () => {
    expect(issues({ ACCESS_TOKEN_TTL: "1s", RENEWAL_GRACE: "soon" })).toHaveLength(1);
  });
});

describe("the cost of password hashing", () => {
  const floors = [
    [1, 47_104],
    [2, 19_456],
    [3, 12_288],
    [4, 9216],
    [5, 7168],
    [100, 7168],
  ] as const;

  test.each(floors)("with %i passes is at least %i KiB, as OWASP requires", (passes, memory) => {
    const env = { ARGON2_PASSES: String(passes), ARGON2_MEMORY: String(memory) };
    expect(issues(env)).toEqual([]);
    expect(issues({ ...env, ARGON2_MEMORY: String(memory - 1) })).toHaveLength(1);
  });

  test("too low a cost is refused with the minimum", () => {
    expect(issues({ ARGON2_PASSES: "1" })).toEqual([
      "ARGON2_MEMORY must be at least 47104 if ARGON2_PASSES is 1. Example: ARGON2_MEMORY=47104",
    ]);
  });
});

describe("CURFEW_SECRETS", () => {
  const example = "Example: CURFEW_SECRETS=newest-secret,older-secret";

  test.each([
    ["REDIS_URL", { REDIS_URL: "redis://localhost" }],
    ["REDIS_URL", { NODE_ENV: "production" }],
    ["REDIS_CLUSTER_NODES", { REDIS_CLUSTER_NODES: "a:1" }],
    ["REDIS_SENTINELS", { REDIS_SENTINELS: "a:1", REDIS_SENTINEL_NAME: "m" }],
  ])("is required with %s: %o", (name, env) => {
    expect(issues(env)).toEqual([
      `CURFEW_SECRETS must be set if NODE_ENV=production or ${name} is set: every node and every` +
        ` start needs the same secrets. \`openssl rand -base64 32\` makes one. ${example}`,
    ]);
  });

  test.each([
    ["short", "(number 1) must be at least 32 bytes long"],
    [`${secret},${"x".repeat(31)}`, "(number 2) must be at least 32 bytes long"],
    [`${secret},${older},${secret}`, "must be different from each other"],
    [",", "must be at least one secret"],
  ])("refuses %s, and the message contains no secret", (value, issue) => {
    const text = issues({ CURFEW_SECRETS: value });
    expect(text).toEqual([`CURFEW_SECRETS ${issue}. ${example}`]);
  });

  test("is measured in bytes", () => {
    expect(issues({ CURFEW_SECRETS: "\u{1F511}".repeat(8) })).toEqual([]);
    expect(issues({ CURFEW_SECRETS: "\u{1F511}".repeat(7) })).toHaveLength(1);
  });

  test("no message contains a secret or a password, not even one set in the wrong variable", () => {
    const url = "redis://:hunter2@localhost:6379";
    const env = {
      CURFEW_SECRETS: "hunter2",
      CURFEW_SECRET: secret,
      REDIS_URL: `http${url}`,
      REDIS_SENTINEL_NAME: url,
      DATABASE_URL: url,
      HOST: url,
      PORT: secret,
      DRAIN_TIME: older,
      ALLOWED_ORIGINS: `https://user:hunter2@a.example,${secret}`,
    };
    const text = issues(env).join("\n");
    expect(issues(env)).toHaveLength(11);
    for (const hidden of ["hunter2", secret, older]) expect(text).not.toContain(hidden);
  });
});

describe("an unknown variable", () => {
  test.each([
    ["CURFEW_SECRET", "CURFEW_SECRETS"],
    ["CURFEW_PORT", "PORT"],
    ["CURFEW_LOGLEVEL", "LOG_LEVEL"],
    ["CURFEW_ACCESS_TTL", "ACCESS_TOKEN_TTL"],
  ])("%s is refused with the suggestion %s", (name, meant) => {
    expect(issues({ [name]: "5" })).toEqual([`${name} is not a setting. Did you mean ${meant}?`]);
  });

  test("from Kubernetes, for services named after Curfew, is ignored", () => {
    const links = {
      CURFEW_SERVICE_HOST: "10.0.0.1",
      CURFEW_SERVICE_PORT: "4000",
      CURFEW_SERVICE_PORT_HTTP: "4000",
      CURFEW_PORT: "tcp://10.0.0.1:4000",
      CURFEW_PORT_4000_TCP: "tcp://10.0.0.1:4000",
      CURFEW_PORT_4000_TCP_ADDR: "10.0.0.1",
      CURFEW_REDIS_SERVICE_HOST: "10.0.0.2",
    };
    expect(issues(links)).toEqual([]);
  });

  test("without the prefix CURFEW_ is ignored", () => {
    expect(issues({ PATH: "/bin", REDIS_PORT: "6379", SECRET: "s" })).toEqual([]);
  });
});

describe("checkOptions", () => {
  const optionIssues = (given: object) => issuesOf(() => checkOptions(given));

  test("checks options and adds the defaults", () => {
    expect(checkOptions({ port: 0, logLevel: "silent", secrets: undefined })).toEqual({
      ...defaultOptions(false),
      port: 0,
      logLevel: "silent",
    });
  });

  test.each([
    [
      { port: "4000" },
      "port must be a whole number from 0 to 65535, not '4000'. Example: port: 4000",
    ],
    [
      { accessTokenTtl: "30m" },
      "accessTokenTtl must be a duration from 1ms to 3650d, not '30m'. Example: accessTokenTtl: 1800000",
    ],
    [
      { drainTime: NaN },
      "drainTime must be a duration from 0ms to 24d, not NaN. Example: drainTime: 10000",
    ],
    [{ graphiql: null }, "graphiql must be true or false, not null. Example: graphiql: true"],
    [
      { accessTokenTtl: 5000 },
      "renewalGrace must be shorter than accessTokenTtl, which is 5s. Example: renewalGrace: 2500",
    ],
    [
      { allowedOrigins: [7] },
      "allowedOrigins (number 1) must be a string, not 7. Example: allowedOrigins: [ 'https://*.example.com' ]",
    ],
    [
      { secrets: secret },
      "secrets must be a list of secrets. Example: secrets: [ 'newest-secret', 'older-secret' ]",
    ],
    [{ outageGrce: 1 }, "outageGrce is not an option. Did you mean outageGrace?"],
  ])("names the option that is wrong: %o", (given, issue) => {
    expect(optionIssues(given)).toEqual([issue]);
  });

  test("requires secrets with Redis", () => {
    expect(optionIssues({ redisUrl: "redis://localhost" })).toEqual([
      expect.stringMatching(/^secrets must be set if NODE_ENV=production or redisUrl is set/),
    ]);
  });
});

/** Settings as flags: reading a command line, and refusing a wrong one. */
import { describe, expect, test } from "vitest";
import { ConfigError, loadOptions } from "../../src/config/load.ts";
import { readCommandLine } from "../../src/config/flags.ts";

const secret = "a-secret-of-thirty-two-bytes-and-more";

function issuesOf(args: readonly string[], env: Record<string, string> = {}) {
  const line = readCommandLine(args);
  try {
    loadOptions(env, line.settings);
  } catch (error) {
    if (error instanceof ConfigError) return [...line.issues, ...error.issues];
    throw error;
  }
  return line.issues;
}

test("a boolean flag needs no value, and no- before its name turns it off", () => {
  const read = (...args: string[]) => Object.fromEntries(readCommandLine(args).settings);
  expect(read("--graphiql", "--no-introspection")).toEqual({
    graphiql: "true",
    introspection: "false",
  });
  expect(read("--graphiql=false")).toEqual({ graphiql: "false" });
});

test("a flag overrides the environment, and messages name the flag", () => {
  const { settings } = readCommandLine(["--port", "4001"]);
  expect(loadOptions({ PORT: "many", HOST: "::" }, settings)).toMatchObject({
    port: 4001,
    host: "::",
  });
  expect(issuesOf(["--port", "many"], { DRAIN_TIME: "soon" })).toEqual([
    "--port must be a whole number from 0 to 65535, not 'many'. Example: --port=4000",
    "DRAIN_TIME must be a duration from 0ms to 24d, not 'soon'. Example: DRAIN_TIME=10s",
  ]);
});

describe("a wrong flag is explained", () => {
  test.each([
    [["--prot", "1"], "--prot is not an option. Did you mean --port?"],
    [["--no-port"], "--no-port is not an option. Did you mean --port?"],
    [["--PORT=1"], "--PORT is not an option. Did you mean --port?"],
    [["--hlep"], "--hlep is not an option. Did you mean --help?"],
    [["--port"], "--port needs a value. Example: --port 4000"],
    [["--port="], "--port needs a value. Example: --port 4000"],
    [["--host", "--port"], "--host needs a value. Example: --host 0.0.0.0"],
    [["--port", "1", "--port=2"], "--port is given twice."],
    [["--no-graphiql=true"], "--no-graphiql takes no value."],
  ])("%o", (args, issue) => {
    expect(issuesOf(args)).toEqual([issue]);
  });

  test("one message lists all issues of flags and the environment", () => {
    expect(issuesOf(["--prot", "1", "--port", "x", "--host"], { LOG_LEVEL: "loud" })).toHaveLength(
      4,
    );
  });
});

describe("secrets on a command line, which every user can read", () => {
  const place = "in the environment or in .env.";
  const why = "every user of this machine can read a command line.";

  test.each(["--curfew-secrets", "--curfew-secret", "--secrets"])("%s is not an option", (flag) => {
    for (const args of [[flag, secret], [`${flag}=${secret}`]]) {
      const text = issuesOf(args).join("\n");
      expect(text).toContain(`${why} Set CURFEW_SECRETS ${place}`);
      expect(text).toMatch(/ is not an option[,:]/);
      expect(text).not.toContain(secret);
    }
  });

  test.each([
    ["--redis-url", "REDIS_URL", "redis://:hunter2@localhost"],
    ["--database-url", "DATABASE_URL", "postgres://user:hunter2@localhost/curfew"],
    ["--database-url", "DATABASE_URL", "postgres://localhost/curfew?password=hunter2"],
    ["--redis-cluster-nodes", "REDIS_CLUSTER_NODES", "redis://a:1,redis://:hunter2@b:1"],
    ["--redis-sentinel-name", "REDIS_SENTINEL_NAME", "redis://:hunter2@mymaster"],
  ])("%s is refused if its value contains a password", (flag, variable, text) => {
    const { issues, settings } = readCommandLine([flag, text]);
    expect(issues).toEqual([
      `${flag} must not contain a password: ${why} Set ${variable} ${place}`,
    ]);
    expect(settings.size).toBe(0);
  });

  test("a URL without a password is accepted", () => {
    const { settings, issues } = readCommandLine(["--redis-url", "redis://localhost:6379"]);
    expect({ issues, redisUrl: settings.get("redisUrl") }).toEqual({
      issues: [],
      redisUrl: "redis://localhost:6379",
    });
  });
});

test.each(["-a-b", "-h-", "-v--x", "-hv", "-p=1", "-9_-Z"])(
  "%s, with one hyphen, is an operand",
  (id) => {
    const { operands, settings, asks, issues } = readCommandLine([
      "end-session",
      id,
      "--port",
      "1",
    ]);
    expect({ operands, asks, issues }).toEqual({
      operands: ["end-session", id],
      asks: undefined,
      issues: [],
    });
    expect(settings.get("port")).toBe("1");
    expect(readCommandLine(["--host", id]).settings.get("host")).toBe(id);
  },
);

test("every argument after -- is an operand", () => {
  const id = "-hGcSBBBcCoD4nnlVUMDdZQ";
  const { operands, settings } = readCommandLine([
    "admin",
    "end-session",
    id,
    "-",
    "--port=1",
    "--",
    "--x",
  ]);
  expect(operands).toEqual(["admin", "end-session", id, "-", "--x"]);
  expect(settings.get("port")).toBe("1");
});

test.each([
  [["-h"], "help"],
  [["admin", "--help"], "help"],
  [["-v"], "version"],
  [["--version"], "version"],
  [["serve"], undefined],
] as const)("%o asks for %s", (args, asked) => {
  expect(readCommandLine(args).asks).toBe(asked);
});

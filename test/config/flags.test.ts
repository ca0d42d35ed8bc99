/** Settings as flags: every one of them, and what is wrong with a command line. */
import { describe, expect, test } from "vitest";
import { ConfigError, loadOptions } from "../../src/config/config.ts";
import { flagNames, flagOf, isSwitch, readCommandLine } from "../../src/config/flags.ts";
import { names, secrets, variables } from "../../src/config/variables.ts";

const secret = "a-secret-of-thirty-two-bytes-and-more";
/** Of these one is given, and it is not alone. */
const redis = new Set(["redisUrl", "redisClusterNodes", "redisSentinels", "redisSentinelName"]);

function faultsOf(args: readonly string[], env: Record<string, string> = {}) {
  const line = readCommandLine(args);
  try {
    loadOptions(env, line.settings);
  } catch (error) {
    if (error instanceof ConfigError) return [...line.faults, ...error.faults];
    throw error;
  }
  return line.faults;
}

test("every setting that is no secret is a flag, and is read as its variable is", () => {
  expect([...flagNames, ...secrets].toSorted()).toEqual(names.toSorted());
  for (const name of flagNames.filter((one) => !redis.has(one))) {
    const { example, name: variable } = variables[name];
    const text = example.replace("user:password@", "");
    for (const args of [[flagOf(name), text], [`${flagOf(name)}=${text}`]]) {
      if (isSwitch(name) && args.length > 1) continue;
      const { settings, faults, operands } = readCommandLine(args);
      expect({ faults, operands }).toEqual({ faults: [], operands: [] });
      expect(loadOptions({}, settings)).toEqual(loadOptions({ [variable]: text }));
    }
  }
});

test("a switch needs no value, and is off with no- before it", () => {
  const read = (...args: string[]) => Object.fromEntries(readCommandLine(args).settings);
  expect(read("--graphiql", "--no-introspection")).toEqual({
    graphiql: "true",
    introspection: "false",
  });
  expect(read("--graphiql=false")).toEqual({ graphiql: "false" });
});

test("a flag comes before the environment, and its faults are told by its own name", () => {
  const { settings } = readCommandLine(["--port", "4001"]);
  expect(loadOptions({ PORT: "many", HOST: "::" }, settings)).toMatchObject({
    port: 4001,
    host: "::",
  });
  expect(faultsOf(["--port", "many"], { DRAIN_TIME: "soon" })).toEqual([
    "--port must be a whole number from 0 to 65535, not 'many'. Example: --port=4000",
    "DRAIN_TIME must be a duration from 0ms to 24d, not 'soon'. Example: DRAIN_TIME=10s",
  ]);
});

describe("what is wrong is told", () => {
  test.each([
    [["--prot", "1"], "--prot is no option. Did you mean --port?"],
    [["--no-port"], "--no-port is no option. Did you mean --port?"],
    [["--PORT=1"], "--PORT is no option. Did you mean --port?"],
    [["--hlep"], "--hlep is no option. Did you mean --help?"],
    [["--port"], "--port needs a value. Example: --port 4000"],
    [["--port="], "--port needs a value. Example: --port 4000"],
    [["--host", "--port"], "--host needs a value. Example: --host 0.0.0.0"],
    [["--port", "1", "--port=2"], "--port is given twice."],
    [["--no-graphiql=true"], "--no-graphiql takes no value."],
  ])("%o", (args, fault) => {
    expect(faultsOf(args)).toEqual([fault]);
  });

  test("all of it at once, with what is wrong in the environment", () => {
    expect(faultsOf(["--prot", "1", "--port", "x", "--host"], { LOG_LEVEL: "loud" })).toHaveLength(
      4,
    );
  });
});

describe("everybody can read a command line, so that in it", () => {
  const place = "in the environment, or in .env.";
  const why = "everybody on this machine can read a command line.";

  test.each(["--curfew-secrets", "--curfew-secret", "--secrets"])("%s is no option", (flag) => {
    for (const args of [[flag, secret], [`${flag}=${secret}`]]) {
      const text = faultsOf(args).join("\n");
      expect(text).toContain(`${why} Set CURFEW_SECRETS ${place}`);
      expect(text).toMatch(/ is no option[,:]/);
      expect(text).not.toContain(secret);
    }
  });

  test.each([
    ["--redis-url", "REDIS_URL", "redis://:hunter2@localhost"],
    ["--database-url", "DATABASE_URL", "postgres://user:hunter2@localhost/curfew"],
    ["--database-url", "DATABASE_URL", "postgres://localhost/curfew?password=hunter2"],
    ["--redis-cluster-nodes", "REDIS_CLUSTER_NODES", "redis://a:1,redis://:hunter2@b:1"],
    ["--redis-sentinel-name", "REDIS_SENTINEL_NAME", "redis://:hunter2@mymaster"],
  ])("%s may have no password", (flag, variable, text) => {
    const { faults, settings } = readCommandLine([flag, text]);
    expect(faults).toEqual([`${flag} may have no password in it: ${why} Set ${variable} ${place}`]);
    expect(settings.size).toBe(0);
  });

  test("an address without a password may stand", () => {
    const { settings, faults } = readCommandLine(["--redis-url", "redis://localhost:6379"]);
    expect({ faults, redisUrl: settings.get("redisUrl") }).toEqual({
      faults: [],
      redisUrl: "redis://localhost:6379",
    });
  });
});

test.each(["-a-b", "-h-", "-v--x", "-hv", "-p=1", "-9_-Z"])("%s is an operand", (id) => {
  const { operands, settings, asks, faults } = readCommandLine(["end-session", id, "--port", "1"]);
  expect({ operands, asks, faults }).toEqual({
    operands: ["end-session", id],
    asks: undefined,
    faults: [],
  });
  expect(settings.get("port")).toBe("1");
  expect(readCommandLine(["--host", id]).settings.get("host")).toBe(id);
});

test("what begins with one hyphen is an operand, and everything after two of them", () => {
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

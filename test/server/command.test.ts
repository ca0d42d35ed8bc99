/** The command as people meet it: help, flags, `.env`, mistakes, and what a start says. */
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { flagNames, flagOf } from "../../src/config/flags.ts";
import { newFolder, runCommand, startServer } from "../helpers/command.ts";
import { startRedis } from "../helpers/redis.ts";

const secret = "q4Jq2bX9sT7vYw1zK8mN3pR6uA5cD0eF";
const memory = { PORT: "0", DATA_DIR: ":memory:" };

describe("help", () => {
  it("names the commands and every setting, whatever else is wrong", async () => {
    for (const args of [["--help"], ["-h"], ["--help", "--prot"]]) {
      const { code, output, errors } = await runCommand(args, { PORT: "many" });
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      for (const command of ["serve", "inspect", "admin"])
        expect(output).toMatch(new RegExp(`^  ${command} `, "m"));
      for (const name of flagNames)
        expect(output.replaceAll("[no-]", "")).toMatch(new RegExp(`^  ${flagOf(name)} +\\S`, "m"));
      expect(output).toMatch(/^ {2}--port +\S.* \(4000\)$/m);
      expect(output).toMatch(/^ {2}--access-token-ttl +\S.* \(30m\)$/m);
    }
  });

  it.each(["serve", "inspect", "admin"])("tells more about %s", async (command) => {
    const { code, output, errors } = await runCommand([command, "--help"], {});
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toMatch(new RegExp(`^Usage: curfew \\[?${command}`));
  });

  it("tells the version of the package", async () => {
    const file = await readFile(new URL("../../package.json", import.meta.url), "utf8");
    const { version } = JSON.parse(file);
    for (const flag of ["--version", "-v"])
      expect(await runCommand([flag], {})).toEqual({ code: 0, output: `${version}\n`, errors: "" });
  });
});

describe("a mistake", () => {
  it.each([
    [["srve"], "srve is no command. Did you mean serve?\nTry: curfew --help\n"],
    [["inspct", "x"], "inspct is no command. Did you mean inspect?\nTry: curfew --help\n"],
    [
      [`curfew_access_${"x".repeat(88)}`],
      "That is no command. Did you mean inspect?\nTry: curfew --help\n",
    ],
    [["--prot", "4000"], "--prot is not an option. Did you mean --port?\nTry: curfew --help\n"],
    [
      ["--prot=4000"],
      "These settings are wrong:\n  --prot is not an option. Did you mean --port?\n",
    ],
    [
      ["admin", "--data-dri=x", "lock", "a"],
      "These settings are wrong:\n  --data-dri is not an option. Did you mean --data-dir?\n",
    ],
  ])("%o ends it with 2", async (args, errors) => {
    expect(await runCommand(args, {})).toEqual({ code: 2, output: "", errors });
  });

  it("is told with all the others, of flags, the environment and .env", async () => {
    await using folder = await newFolder();
    await writeFile(join(folder.path, ".env"), "DRAIN_TIME=soon\n");
    const args = ["serve", "--port", "many", "--graphqil"];
    const outcome = await runCommand(args, { LOG_LEVEL: "loud" }, "", folder.path);
    expect(outcome).toMatchObject({ code: 2, output: "" });
    expect(outcome.errors.split("\n").slice(0, -1)).toEqual([
      "These settings are wrong:",
      "  --graphqil is not an option. Did you mean --graphiql?",
      expect.stringMatching(/^ {2}--port must be .* Example: --port=4000$/),
      expect.stringMatching(/^ {2}DRAIN_TIME must be .*'soon'/),
      expect.stringMatching(/^ {2}LOG_LEVEL must be .*'loud'/),
    ]);
  });
});

describe(".env", () => {
  it("sets what neither a flag nor the environment does", async () => {
    await using folder = await newFolder();
    await writeFile(
      join(folder.path, ".env"),
      `# Settings\nexport HOST=::1\nPORT="0" # any\nDATA_DIR=:memory:\nLOG_LEVEL=silent\nNOTE='of two\nlines'\n`,
    );
    await using server = await startServer(
      { LOG_LEVEL: "info" },
      ["--host=127.0.0.1"],
      folder.path,
    );
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/graphql$/);
    const { output } = await server.stop("SIGTERM");
    expect(output).toContain('"msg":"started"');
  });

  it("that is missing is none", async () => {
    await using folder = await newFolder();
    await using server = await startServer(memory, [], folder.path);
    expect(server.startupReport).toContain("Curfew serves");
  });

  it.each<[string, (path: string) => Promise<unknown>, RegExp]>([
    ["a folder", (path) => mkdir(path), /^ {2}\.env cannot be read: EISDIR/m],
    [
      "in UTF-16",
      (path) => writeFile(path, "PORT=4000\n", "utf16le"),
      /^ {2}\.env is no text in UTF-8: save it as such\.$/m,
    ],
    [
      "not of assignments",
      (path) => writeFile(path, `PORT=0\nA="x\ny"\nCURFEW_SECRETS ${secret}\n`),
      /^ {2}\.env, line 4: must be NAME=value\. Example: PORT=4000$/m,
    ],
    [
      "not to be read",
      async (path) => {
        await writeFile(path, "");
        await chmod(path, 0);
      },
      // Root may read anything.
      process.getuid?.() === 0 ? /PORT must be/ : /^ {2}\.env cannot be read: EACCES/m,
    ],
  ])("that is %s stops the start", async (_what, make, fault) => {
    await using folder = await newFolder();
    await make(join(folder.path, ".env"));
    const outcome = await runCommand([], { PORT: "many" }, "", folder.path);
    expect(outcome).toMatchObject({ code: 1, output: "" });
    expect(outcome.errors).toMatch(fault);
    expect(outcome.errors).not.toContain(secret);
  });
});

describe("a start", () => {
  it("says which stores, keys and limits it has, to people and in the log, and nothing secret", async () => {
    await using redis = await startRedis(["--requirepass", "hunter2"]);
    const url = new URL(redis.url);
    url.password = "hunter2";
    await using server = await startServer({
      ...memory,
      CURFEW_SECRETS: `${secret},another-secret-0123456789-abcdefgh`,
      REDIS_URL: url.href,
      MAX_SOCKETS_PER_ADDRESS: "0",
    });
    expect(server.startupReport).toMatch(/^ {2}sessions +Redis$/m);
    expect(server.startupReport).toMatch(/^ {2}users +memory, gone at exit$/m);
    expect(server.startupReport).toMatch(/^ {2}keys +[0-9a-f]{12}, [0-9a-f]{12}$/m);
    expect(server.startupReport).toMatch(
      /^ {2}limits +100 sessions a user, .*any number of an address/m,
    );
    expect(server.startupReport).toMatch(/^ {2}warning +Redis has appendonly no/m);
    expect(server.startupReport).toMatch(
      /^ {2}warning +Nodes share their sessions in Redis, but not their users/m,
    );

    const { output, errors } = await server.stop("SIGTERM");
    const lines = output.trim().split("\n");
    const log = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(log.find(({ msg }) => msg === "started")).toMatchObject({
      level: 30,
      sessions: "Redis",
      users: "SQLite",
      keys: [expect.stringMatching(/^[0-9a-f]{12}$/), expect.stringMatching(/^[0-9a-f]{12}$/)],
    });
    expect(log.filter(({ level }) => level === 40)).toHaveLength(2);
    for (const hidden of [secret, "another-secret", "hunter2"])
      expect(output + errors).not.toContain(hidden);
  });

  it("warns of what is unsafe in production", async () => {
    const env = { ...memory, NODE_ENV: "production", CURFEW_SECRETS: secret, GRAPHIQL: "true" };
    await using server = await startServer(env);
    expect(server.startupReport).toMatch(/^ {2}warning +GRAPHIQL is on in production\.$/m);
    expect(server.startupReport).toMatch(/^ {2}warning +DATA_DIR is :memory: in production/m);
  });
});

it("serves by its own name too, and takes no argument", async () => {
  await using server = await startServer(memory, ["serve"]);
  expect(server.startupReport).toContain("Curfew serves");
  const outcome = await runCommand(["serve", "now"], memory);
  expect(outcome).toMatchObject({ code: 2, output: "" });
  expect(outcome.errors).toMatch(/^Usage: curfew \[serve\]/);
});

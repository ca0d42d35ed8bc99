/** The table of settings: each entry is complete, and everything that comes from it works. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { generatedFiles } from "../generated/settings.ts";
import { help } from "../../src/cli/help.ts";
import { readDuration } from "../../src/config/duration.ts";
import { flagNames, flagOf, isSwitch, readCommandLine } from "../../src/config/flags.ts";
import type { AnySetting, Kind } from "../../src/config/kinds.ts";
import { checkOptions, loadOptions } from "../../src/config/load.ts";
import {
  defaultOptions,
  groups,
  names,
  settings,
  writtenDefault,
  type Name,
} from "../../src/config/settings.ts";
import { issuesOf } from "../helpers/issues.ts";

const secret = "a-secret-of-thirty-two-bytes-and-more";
const entries = names.map((name): [Name, AnySetting] => [name, settings[name]]);

/** Settings that are valid only together. */
const pairs: Partial<Record<Name, Name>> = {
  redisSentinels: "redisSentinelName",
  redisSentinelName: "redisSentinels",
};

/** An environment with the setting's example, and with what that requires. */
function exampleOf(name: Name): Record<string, string> {
  const needed = pairs[name] === undefined ? [name] : [name, pairs[name]];
  const examples = needed.map((one) => [settings[one].variable, settings[one].example] as const);
  return { CURFEW_SECRETS: secret, ...Object.fromEntries(examples) };
}

/** A text that no setting of the kind accepts. */
const wrong: Record<Kind<unknown>["name"], string | undefined> = {
  text: undefined,
  "whole number": "many",
  duration: "soon",
  boolean: "maybe",
  enum: "other",
  list: ",",
};

describe.each(entries)("the setting %s", (name, setting) => {
  const { variable, kind, example, about, details, secrecy } = setting;

  test("has a variable, which no other setting has, and a description in sentences", () => {
    expect(variable).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    expect(names.filter((one) => settings[one].variable === variable)).toEqual([name]);
    expect(about).toMatch(/^[A-Z][^\n]*[^.]\.$/);
    expect(about.match(/\.( |$)/g)).toHaveLength(1);
    if (details !== undefined) expect(details).toMatch(/^[A-Z`0-9][^\n]*\.$/);
  });

  test("has a valid example, except for the secrets, whose example is not usable", () => {
    if (name === "secrets") return;
    expect(issuesOf(() => loadOptions(exampleOf(name)))).toEqual([]);
    expect(loadOptions(exampleOf(name))[name]).toEqual(kind.read(example));
  });

  test.each([false, true])("has a valid default that can be written (production: %s)", (on) => {
    const value = defaultOptions(on)[name];
    if (value === undefined) return;
    expect(kind.rule.safeParse(value)).toMatchObject({ success: true, data: value });
    expect(kind.read(writtenDefault(setting, on) ?? "")).toEqual(value);
  });

  test("explains a wrong value by its name, its fault and its example", () => {
    const text = wrong[kind.name];
    if (text === undefined || name === "allowedOrigins") return;
    const [issue, ...others] = issuesOf(() =>
      loadOptions({ CURFEW_SECRETS: secret, [variable]: text }),
    ).filter((one) => one.startsWith(`${variable} must be`) && !one.includes("if"));
    expect(others).toEqual([]);
    expect(issue).toContain(` must be `);
    expect(issue?.endsWith(`. Example: ${variable}=${example}`)).toBe(true);
  });

  test("is an option in code, with the same value", () => {
    if (name === "secrets") return;
    const { CURFEW_SECRETS: _, ...others } = exampleOf(name);
    const given = Object.fromEntries(
      names
        .filter((one) => settings[one].variable in others)
        .map((one) => [one, settings[one].kind.read(settings[one].example)]),
    );
    expect(checkOptions({ secrets: [secret], ...given })).toEqual(loadOptions(exampleOf(name)));
  });

  test("is a flag, unless it is a secret, with the same value", () => {
    const flag = flagOf(name);
    if (secrecy === "secret") {
      expect(readCommandLine([flag, example]).issues).toHaveLength(1);
      return;
    }
    const text = example.replace("user:password@", "");
    const { [variable]: _, ...env } = exampleOf(name);
    const forms = [[`${flag}=${text}`], ...(isSwitch(name) ? [[flag]] : [[flag, text]])];
    for (const args of forms) {
      const line = readCommandLine(args);
      expect(line).toMatchObject({ issues: [], operands: [] });
      expect(loadOptions(env, line.settings)).toEqual(loadOptions({ ...env, [variable]: text }));
    }
  });

  test("is in the help, with its description and its default", async () => {
    const label = secrecy === "secret" ? variable : flagOf(name);
    const lines = (await help(undefined)).replaceAll("[no-]", "").split("\n");
    const [line, ...others] = lines.filter((one) => one.startsWith(`  ${label} `));
    expect(others).toEqual([]);
    expect(line?.slice(label.length + 2).trim().length).toBeGreaterThan(10);
    if (kind.name !== "boolean")
      expect(line?.includes("(") ?? false).toBe(writtenDefault(setting) !== undefined);
  });
});

describe("the table", () => {
  test("has each setting in one group", () => {
    const grouped = Object.values(groups).flatMap((group) => Object.keys(group));
    expect(grouped.toSorted()).toEqual([...names].toSorted());
  });

  test("makes each setting a flag but the secrets", () => {
    expect(names.filter((name) => !flagNames.includes(name))).toEqual(["metricsToken", "secrets"]);
  });

  test.each([...names])("docs/settings.md has a row for %s", (name) => {
    const page = readFileSync(new URL("../../docs/settings.md", import.meta.url), "utf8");
    expect(page).toContain(`\n| \`${settings[name].variable}\` `);
  });

  test("is what the generated files were made from: if not, run `npm run codegen`", async () => {
    for (const [path, text] of await generatedFiles())
      expect(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"), path).toBe(text);
  });
});

test("the documented defaults are the defaults", () => {
  const source = readFileSync(new URL("../../src/config/options.ts", import.meta.url), "utf8");
  const tags = source.matchAll(/@default ([^\s;:]+).*\s+\*\/\s+readonly (\w+)/g);
  const documented = new Map<string, unknown>();
  for (const [, value = "", name = ""] of tags) {
    const text = value.replaceAll("_", "");
    documented.set(name, text === "undefined" ? undefined : JSON.parse(text));
  }
  expect(documented).toEqual(new Map(Object.entries(defaultOptions(false))));
});

describe("the help shows a setting of each kind", () => {
  test.each([
    ["text", /^ {2}--host +The address to listen on \(127\.0\.0\.1\)$/m],
    ["whole number", /^ {2}--port +The port to listen on; .* \(4000\)$/m],
    ["duration", /^ {2}--access-token-ttl +How long .* \(30m\)$/m],
    ["boolean", /^ {2}--\[no-\]graphiql +Serves .* \(on; off in production\)$/m],
    ["enum", /^ {2}--log-level +The least .*: fatal, error, .* \(info\)$/m],
    ["list", /^ {2}--redis-sentinels +The Sentinels .* REDIS_URL: comma-separated$/m],
    ["secret", /^ {2}CURFEW_SECRETS +Secrets that sign tokens.*: comma-separated$/m],
  ])("%s", async (_kind, line) => {
    expect(await help(undefined)).toMatch(line);
  });
});

test.each([
  ["0ms", 0],
  ["1500ms", 1500],
  ["30m", 1_800_000],
  ["3650d", 315_360_000_000],
  ["1.5s", undefined],
  ["-1s", undefined],
  ["5", undefined],
  ["5w", undefined],
])("the duration %s is %s milliseconds", (text, milliseconds) => {
  expect(readDuration(text)).toBe(milliseconds);
});

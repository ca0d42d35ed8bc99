/** Rules for every file in src/: allowed imports between folders, no cycles, maximum size, a module comment. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, it } from "vitest";

interface Folder {
  /** The other folders that it may import. A file at the top of src/ counts as a folder. */
  readonly folders: readonly string[];
  /** The packages and Node modules that it may import; all by default. */
  readonly packages?: RegExp;
}

const domain = ["protocol", "lib", "session"];
const graphql = [...domain, "users", "connections", "request", "telemetry"];
const transports = [...graphql, "graphql"];

const table: Readonly<Record<string, Folder>> = {
  // The wire contract runs in browsers too.
  protocol: { folders: [], packages: /^$/ },
  lib: { folders: [] },
  session: { folders: ["protocol", "lib"], packages: /^node:crypto$/ },
  stores: { folders: domain },
  users: { folders: domain },
  connections: { folders: domain, packages: /^node:timers.promises$/ },
  request: { folders: ["protocol", "lib", "session"] },
  telemetry: { folders: [...domain, "connections"] },
  graphql: { folders: graphql },
  websocket: { folders: transports },
  http: { folders: [...transports, "websocket"] },
  client: { folders: ["protocol"], packages: /^(?!node:)/ },
  explorer: { folders: ["protocol", "request", "client", "graphql"] },
  // Validates the addresses of stores with the stores' own parsers.
  config: { folders: ["stores"] },
  // The contract suites for authors of adapters.
  testing: {
    folders: [...domain, "users"],
    packages: /^(vitest|node:crypto|node:timers.promises)$/,
  },
  node: { folders: [...transports, "http", "websocket", "explorer", "stores", "config"] },
  integrations: { folders: [...transports, "http", "websocket", "node", "config"] },
  cli: { folders: [...domain, "users", "config", "telemetry", "node"] },
  main: { folders: ["cli"] },
  index: { folders: [...transports, "http", "config", "node", "integrations"] },
};

const maxLines = 300;
const generated = new Set(["graphql/generated.ts", "config/options.ts"]);

/** Sources of time, randomness and environment, which the session domain receives as arguments. */
const impure =
  /\bDate\.now\b|\bDate\(\s*\)|\bnew Date\b(?!\s*\(\s*[^\s)])|\bMath\.random\b|\bperformance\.|\bprocess\s*[.?[]/g;

/** The sources by path under src/. */
type Sources = Readonly<Record<string, string>>;

/** Removes comments; strings and templates stay unchanged. */
function withoutComments(source: string): string {
  return source.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\/.*|\/\*[^]*?\*\//g,
    (_, text: string | undefined) => text ?? "",
  );
}

/** The specifiers of all imports: static, type-only, for side effects, dynamic and `import("…").Type`. */
function specifiers(source: string): string[] {
  const patterns = [
    /^\s*(?:import|export)\b[^"';]*?\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\s*\(\s*["'`]([^"'`]+)["'`]/g,
  ];
  const code = withoutComments(source);
  return patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1] ?? ""));
}

/** The files under src/ that a file imports. */
function imports(path: string, source: string): string[] {
  return specifiers(source)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => posix.join(posix.dirname(path), specifier));
}

function folderOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : path.replace(/\.ts$/, "");
}

function forbiddenImports(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, source]) => {
    const name = folderOf(path);
    const folder = table[name];
    if (!folder) return [`${path}: no folder "${name}" in the table`];
    const files = imports(path, source)
      .filter((file) => folderOf(file) !== name && !folder.folders.includes(folderOf(file)))
      .map((file) => `${path}: ${name} must not import ${file}`);
    const packages = specifiers(source)
      .filter(
        (specifier) => !specifier.startsWith(".") && folder.packages?.test(specifier) === false,
      )
      .map((specifier) => `${path}: ${name} must not import ${specifier}`);
    return [...files, ...packages];
  });
}

/** One line for each cycle found on a walk from file to file. */
function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) found.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    for (const file of imports(path, sources[path] ?? "")) walk(file, [...trail, path]);
    done.add(path);
  };
  for (const path of Object.keys(sources)) walk(path, []);
  return found;
}

function longFiles(sources: Sources): string[] {
  return Object.entries(sources)
    .filter(([path]) => !generated.has(path))
    .map(([path, source]) => ({ path, lines: source.replace(/\n$/, "").split("\n").length }))
    .filter(({ lines }) => lines > maxLines)
    .map(({ path, lines }) => `${path}: ${lines} lines`);
}

function withoutModuleComment(sources: Sources): string[] {
  return Object.entries(sources)
    .filter(
      ([path, source]) => !generated.has(path) && !/^(#!.*\n)?\/\*\*[\s*]*[^\s*/]/.test(source),
    )
    .map(([path]) => `${path}: does not begin with a module comment`);
}

function impurities(sources: Sources): string[] {
  return Object.entries(sources)
    .filter(([path]) => folderOf(path) === "session")
    .flatMap(([path, source]) =>
      [...withoutComments(source).matchAll(impure)].map((match) => `${path}: ${match[0]}`),
    );
}

function readSources(): Sources {
  const root = new URL("../src/", import.meta.url);
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts"));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(new URL(path, root), "utf8")]));
}

describe("src/", () => {
  const sources = readSources();

  it("is read with its imports", () => {
    expect(Object.keys(sources)).toContain("session/session.ts");
    expect(imports("session/store.ts", sources["session/store.ts"] ?? "")).toContain(
      "session/session.ts",
    );
  });

  it("imports only existing files", () => {
    const missing = Object.entries(sources).flatMap(([path, source]) =>
      imports(path, source).filter((file) => !(file in sources)),
    );
    expect(missing).toEqual([]);
  });

  it("imports only along the allowed directions between folders", () =>
    expect(forbiddenImports(sources)).toEqual([]));
  it("has no import cycle", () => expect(cycles(sources)).toEqual([]));
  it(`has no file longer than ${maxLines} lines`, () => expect(longFiles(sources)).toEqual([]));
  it("begins each file with a module comment", () =>
    expect(withoutModuleComment(sources)).toEqual([]));
  it("uses no clock, randomness or environment in session/", () =>
    expect(impurities(sources)).toEqual([]));
});

describe("the architecture checks", () => {
  it.each([
    ['import { a } from "./a.ts";', ["./a.ts"]],
    ['import type {\n  A,\n  B,\n} from "../a.ts";', ["../a.ts"]],
    ['import a, * as b from "a";\nimport "b";', ["a", "b"]],
    ['export * from "./a.ts";\nexport type { B } from "./b.ts";', ["./a.ts", "./b.ts"]],
    ['const a = await import("./a.ts");', ["./a.ts"]],
    ['let a: import("./a.ts").A;', ["./a.ts"]],
    ['// import "a";\n/* from "b" */\nexport const url = "http://c"; import("d");', ["d"]],
    ['export const from = 1;\nconst b = "import";', []],
  ])("find the imports of %j", (source, expected) => {
    expect(specifiers(source)).toEqual(expected);
  });

  it.each([
    ["protocol/a.ts", "../lib/b.ts"],
    ["protocol/a.ts", "zod"],
    ["lib/a.ts", "../session/b.ts"],
    ["session/a.ts", "../stores/redis/b.ts"],
    ["session/a.ts", "../config/b.ts"],
    ["session/a.ts", "node:fs"],
    ["session/a.ts", "zod"],
    ["stores/redis/a.ts", "../../users/b.ts"],
    ["users/a.ts", "../graphql/b.ts"],
    ["connections/a.ts", "../graphql/b.ts"],
    ["connections/a.ts", "ws"],
    ["graphql/a.ts", "../http/b.ts"],
    ["websocket/a.ts", "../http/b.ts"],
    ["http/a.ts", "../node/b.ts"],
    ["http/a.ts", "../explorer/b.ts"],
    ["client/a.ts", "../session/b.ts"],
    ["client/a.ts", "node:crypto"],
    ["explorer/a.ts", "../session/b.ts"],
    ["config/a.ts", "../node/b.ts"],
    ["main.ts", "./http/b.ts"],
    ["cellar/a.ts", "../session/b.ts"],
  ])("reject that %s imports %s", (path, specifier) => {
    expect(forbiddenImports({ [path]: `import type { B } from "${specifier}";` })).toHaveLength(1);
  });

  it.each([
    ["session/a.ts", "node:crypto"],
    ["session/a.ts", "./b.ts"],
    ["session/a.ts", "../protocol/b.ts"],
    ["stores/redis/a.ts", "../../session/b.ts"],
    ["stores/redis/a.ts", "../sqlite/b.ts"],
    ["websocket/a.ts", "ws"],
    ["client/a.ts", "graphql-ws"],
    ["client/a.ts", "../protocol/b.ts"],
    ["node/a.ts", "../http/b.ts"],
    ["explorer/browser/a.ts", "../../client/b.ts"],
  ])("accept that %s imports %s", (path, specifier) => {
    expect(forbiddenImports({ [path]: `import { b } from "${specifier}";` })).toEqual([]);
  });

  it("find an import cycle, also of types, but accept two paths to one file", () => {
    const a = 'import { b } from "./b.ts";\nimport { c } from "./c.ts";';
    const b = 'import type { C } from "./c.ts";';
    expect(cycles({ "x/a.ts": a, "x/b.ts": b, "x/c.ts": "" })).toEqual([]);
    expect(cycles({ "x/a.ts": a, "x/b.ts": b, "x/c.ts": 'import "./a.ts";' })).toEqual([
      "x/a.ts → x/b.ts → x/c.ts → x/a.ts",
    ]);
    expect(cycles({ "x/a.ts": 'import "./a.ts";' })).toEqual(["x/a.ts → x/a.ts"]);
  });

  it("find a long file unless it is generated", () => {
    const lines = "a\n".repeat(maxLines);
    expect(longFiles({ "x/a.ts": lines, "graphql/generated.ts": `${lines}a\n` })).toEqual([]);
    expect(longFiles({ "x/a.ts": `${lines}a\n` })).toEqual(["x/a.ts: 301 lines"]);
  });

  it.each(["export {};", "// A.\n/** B. */", "/* A. */", "/** */", "\n/** A. */"])(
    "find no module comment in %j",
    (source) => expect(withoutModuleComment({ "x/a.ts": source })).toHaveLength(1),
  );

  it.each(["/** A. */\n", "/**\n * A.\n */", "#!/usr/bin/env node\n/** A. */"])(
    "find the module comment in %j",
    (source) => expect(withoutModuleComment({ "x/a.ts": source })).toEqual([]),
  );

  it.each([
    "Date.now()",
    "new Date()",
    "new Date",
    "Date()",
    "Math.random()",
    "process.env",
    "performance.now()",
  ])("reject %s in session/", (code) => {
    expect(impurities({ "session/a.ts": `const a = ${code};` })).toHaveLength(1);
    expect(impurities({ "users/a.ts": code, "session/b.ts": `// ${code}` })).toEqual([]);
  });

  it("accept a date from a given time in session/", () => {
    expect(impurities({ "session/a.ts": "new Date(now).getTime(); inProcess.a" })).toEqual([]);
  });
});

/** The commands in the docs, and for each the function that tests it or the reason why none does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { newFolder, type Env } from "../helpers/command.ts";
import { askData, register } from "../helpers/http.ts";
import { dieWithTests } from "../helpers/watchdog.ts";
import { root } from "./pages.ts";

/** Defines `curfew` as an installed package provides it. */
const bin = `curfew() { "${process.execPath}" src/main.ts "$@"; }; `;

/** Keyed by the text of the block without comments. */
export const commands: Readonly<Record<string, string | ((block: string) => Promise<void>)>> = {
  // `npm ci` has already run.
  "npm ci && npm start": () => checkServer("npm start"),
  "npm install && npm start": "test/browser/chat.test.ts tests the program that it starts.",
  "npm install && CURFEW_PASSWORD='correct horse battery staple' npm start":
    "test/examples/node-client.test.ts tests the program that it starts.",
  "npm ci && npm test": "It runs this test.",
  "REDIS_SERVER=/path/to/valkey-server npm test": "It runs this test, on another server.",
  "npx vitest run test/session\nnpm run check:types\nnpm run lint\nnpm run format":
    "These are parts of `npm run check`.",
  "npm run bench\nnpm run bench -- http connect\nnpm run bench -- --quick logout":
    "It needs the whole machine for minutes.",
  "node bench/cluster-messages.ts": "It needs the whole machine for a minute.",
  "CURFEW_SECRETS=$(openssl rand -base64 32) docker compose -f examples/nodes/compose.yaml up --build":
    "It needs a container engine; test/nodes/examples.test.ts checks the files without one.",
  "curfew admin sessions ada@example.com\ncurfew admin end-session nGcSBBBcCoD4nnlVUMDdZQ\ncurfew admin lock ada@example.com":
    checkAdminCommands,
};

async function checkServer(command: string): Promise<void> {
  await using server = await startByShell(command);
  const data = await askData(server.url, "{ viewer { user { id } } }");
  expect(data).toEqual({ viewer: null });
}

async function checkAdminCommands(block: string): Promise<void> {
  await using folder = await newFolder();
  const env = { DATA_DIR: folder.path };
  await using server = await startByShell("npm start", env);
  const { sessionId, accessToken } = await register(server.url, "ada@example.com");
  // The form of the command in a checkout.
  const inCheckout = block.replaceAll(/^curfew /gm, "node src/main.ts ");
  const [list = "", ...others] = inCheckout
    .replace("nGcSBBBcCoD4nnlVUMDdZQ", sessionId)
    .split("\n");
  expect(await runByShell(list, env)).toContain(sessionId);
  for (const command of others) await runByShell(command, env);
  const data = await askData(server.url, "{ viewer { user { id } } }", { token: accessToken });
  expect(data).toEqual({ viewer: null });
}

async function startByShell(command: string, env: Env = {}) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await newFolder());
  const child = shell(command, { DATA_DIR: folder.path, PORT: "0", ...env });
  const exited = once(child, "close");
  opened.defer(async () => {
    // Signals the process group, which includes npm's child.
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
    await exited;
  });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
  const failed = exited.then(() => {
    throw new Error(`${command} exited:\n${output}`);
  });
  failed.catch(() => {});
  let url: string | undefined;
  while ((url = /Curfew serves GraphQL at (\S+)\n/.exec(output)?.[1]) === undefined)
    await Promise.race([once(child.stderr, "data"), failed]);
  const all = opened.move();
  return { url, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Returns the command's output; throws unless it exits with 0. */
async function runByShell(command: string, env: Env): Promise<string> {
  const child = shell(command, env);
  let printed = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} exits with ${code}:\n${printed}`);
  return printed;
}

function shell(command: string, env: Env) {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn("sh", ["-c", command.startsWith("curfew ") ? bin + command : command], {
    cwd: fileURLToPath(root),
    env: { PATH, HOME, ...env },
    detached: true,
  });
  dieWithTests(child, { group: true });
  return child;
}

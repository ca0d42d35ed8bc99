/** The commands that the pages tell to type, and how each is run here, or why it is not. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { newFolder, type Env } from "../helpers/command.ts";
import { askData, register } from "../helpers/http.ts";
import { dieWithTests } from "../helpers/watchdog.ts";
import { root } from "./pages.ts";

/** `curfew`, as a package that is installed brings it. */
const bin = `curfew() { "${process.execPath}" src/main.ts "$@"; }; `;

/** A block of commands, by all that stands in it, without comments. */
export const commands: Readonly<Record<string, string | ((block: string) => Promise<void>)>> = {
  // Whoever runs this has done the first half.
  "npm ci && npm start": () => servesWhatItSays("npm start"),
  "npm install && npm start": "test/browser/chat.test.ts runs what it starts.",
  "npm install && CURFEW_PASSWORD='correct horse battery staple' npm start":
    "test/examples/node-client.test.ts runs what it starts.",
  "npm ci && npm test": "It is what runs this.",
  "npx vitest run test/session\nnpm run check:types\nnpm run lint\nnpm run format":
    "They are parts of `npm run check`.",
  "npm run bench\nnpm run bench -- http connect\nnpm run bench -- --quick logout":
    "It takes the machine for itself, for minutes.",
  "CURFEW_SECRETS=$(openssl rand -base64 32) docker compose -f examples/nodes/compose.yaml up --build":
    "It takes a container engine; test/nodes/examples.test.ts checks what can be checked without.",
  "curfew admin sessions ada@example.com\ncurfew admin end-session nGcSBBBcCoD4nnlVUMDdZQ\ncurfew admin lock ada@example.com":
    administers,
};

async function servesWhatItSays(command: string): Promise<void> {
  await using server = await startByShell(command);
  const data = await askData(server.url, "{ viewer { user { id } } }");
  expect(data).toEqual({ viewer: null });
}

async function administers(block: string): Promise<void> {
  await using folder = await newFolder();
  const env = { DATA_DIR: folder.path };
  await using server = await startByShell("npm start", env);
  const { sessionId, accessToken } = await register(server.url, "ada@example.com");
  // As it is in a checkout.
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
    // npm's own child is in its group.
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
    await exited;
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const gone = exited.then(() => {
    throw new Error(`${command} ended:\n${said}`);
  });
  gone.catch(() => {});
  let url: string | undefined;
  while ((url = /Curfew serves GraphQL at (\S+)\n/.exec(said)?.[1]) === undefined)
    await Promise.race([once(child.stderr, "data"), gone]);
  const all = opened.move();
  return { url, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** What it printed; throws unless it exits with 0. */
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

/**
 * Shows how clients spread their reconnects when their server is restarted or killed: prints how many are closed,
 * connecting and connected in each half second. `node bench/reconnect.ts [clients, 1000] [restart or kill]`
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "graphql-ws";
import { createSocketClient } from "../src/client/graphql-ws.ts";
import { createSession } from "../src/client/index.ts";

const [, , clientCount = "1000", how = "restart"] = process.argv;
const count = Number(clientCount);
const slotLength = 500;

const dataDir = await mkdtemp(join(tmpdir(), "curfew-reconnect-"));
const port = await freePort();
const url = `http://127.0.0.1:${port}/graphql`;
const events: { readonly type: "closed" | "connecting" | "connected"; readonly at: number }[] = [];
const open = new Set<object>();

let server = await startServer();
const session = createSession({ url });
const credentials = { email: "grace@example.com", password: "correct horse battery staple" };
const signedIn = await session.register(credentials);
if (signedIn.__typename !== "SignedIn") throw new Error(signedIn.message);
const clients = Array.from({ length: count }, () => connect());
await allConnected();

events.length = 0;
const start = performance.now();
server.kill(how === "kill" ? "SIGKILL" : "SIGTERM");
await once(server, "exit");
const gone = performance.now();
server = await startServer();
const back = performance.now();
await allConnected();
report();

for (const client of clients) await client.dispose();
session.dispose();
server.kill("SIGKILL");
await once(server, "exit");
await rm(dataDir, { recursive: true });

function connect() {
  const client = createSocketClient(createClient, session);
  const record = (type: "closed" | "connecting" | "connected") =>
    events.push({ type, at: performance.now() });
  client.on("connecting", () => record("connecting"));
  client.on("connected", () => {
    open.add(client);
    record("connected");
  });
  client.on("closed", () => {
    if (open.delete(client)) record("closed");
  });
  client.subscribe(
    { query: "subscription { sessionEvents { type } }" },
    {
      next: () => {},
      error: (error) => process.stderr.write(`A subscription ended: ${String(error)}\n`),
      complete: () => {},
    },
  );
  return client;
}

/** Resolves when all clients are connected. */
async function allConnected(): Promise<void> {
  while (open.size < clients.length) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function startServer(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../src/main.ts")], {
    env: {
      ...process.env,
      PORT: String(port),
      DATA_DIR: dataDir,
      LOG_LEVEL: "silent",
      MAX_SOCKETS_PER_SESSION: String(count),
      MAX_SOCKETS_PER_ADDRESS: "0",
    },
    stdio: "ignore",
  });
  for (;;) {
    const isReady = await fetch(new URL("/ready", url)).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return child;
    if (child.exitCode !== null) throw new Error("The server did not start");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port: free } = probe.address() as AddressInfo;
  probe.close();
  return free;
}

function report(): void {
  const seconds = (at: number) => ((at - start) / 1_000).toFixed(1);
  const slots = Math.ceil(Math.max(...events.map(({ at }) => at - start)) / slotLength);
  const lines = Array.from({ length: slots }, (_, i) => {
    const here = events.filter(({ at }) => Math.floor((at - start) / slotLength) === i);
    const number = (type: string) => here.filter((event) => event.type === type).length;
    const numbers = ["closed", "connecting", "connected"].map((type) =>
      String(number(type)).padStart(12),
    );
    const bar = "#".repeat(Math.ceil((number("connected") * 100) / count));
    return `${((i * slotLength) / 1_000).toFixed(1).padStart(6)}${numbers.join("")}  ${bar}`;
  });
  process.stdout.write(
    [
      `${count} clients; the server ended by ${how === "kill" ? "SIGKILL" : "SIGTERM"} at 0.0 s,`,
      `was gone at ${seconds(gone)} s and ready again at ${seconds(back)} s`,
      "     s      closed  connecting   connected",
      ...lines,
      "",
    ].join("\n"),
  );
}

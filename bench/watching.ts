/**
 * What subscriptions of `sessionEvents` cost that one account opens: bytes of the heap for each, and the CPU
 * of one renewal. `node bench/watching.ts [subscriptions, 3500] [sessions, 100]`
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Issued } from "../src/session/sessions.ts";
import { createCurfew } from "../src/server.ts";

interface Ready {
  readonly url: string;
  readonly tokens: readonly { readonly access: string; readonly renewal: string }[];
}

interface Usage {
  readonly heap: number;
  /** Milliseconds. */
  readonly cpu: number;
}

const [, , subscriptionCount = "3500", sessionCount = "100"] = process.argv;
const subscriptions = Number(subscriptionCount);
const sessions = Number(sessionCount);
/** As many as one socket may have. */
const perSocket = 100;

if (process.send === undefined) await measure();
else await serve();

async function serve(): Promise<void> {
  const curfew = await createCurfew({ port: 0, dataDir: ":memory:", logLevel: "silent" });
  const userId = await register(curfew.url);
  const issued: Issued[] = [];
  const device = { userAgent: "bench", ipAddress: "192.0.2.1" };
  for (let i = 0; i < sessions; i += 1) issued.push(await curfew.sessions.start(userId, device));
  process.on("message", async () => {
    for (let i = 0; i < 3; i += 1) {
      globalThis.gc?.();
      await pause(50);
    }
    const { user, system } = process.cpuUsage();
    const usage: Usage = { heap: process.memoryUsage().heapUsed, cpu: (user + system) / 1000 };
    process.send?.(usage);
  });
  // Sent by themselves: nothing shows a token that was not asked for it.
  const tokens = issued.map((one) => ({
    access: one.tokens.accessToken,
    renewal: one.tokens.renewalToken,
  }));
  const ready: Ready = { url: curfew.url, tokens };
  process.send?.(ready);
}

async function measure(): Promise<void> {
  const child = fork(import.meta.filename, process.argv.slice(2), { execArgv: ["--expose-gc"] });
  const [{ url, tokens }] = (await once(child, "message")) as [Ready];
  const usage = async () => {
    child.send("usage");
    return ((await once(child, "message")) as [Usage])[0];
  };
  let events = 0;
  const before = await usage();
  for (let opened = 0; opened < subscriptions; opened += perSocket) {
    const token = tokens[(opened / perSocket) % tokens.length]?.access;
    const socket = new WebSocket(url.replace("http", "ws"), "graphql-transport-ws");
    await once(socket, "open");
    socket.send(JSON.stringify({ type: "connection_init", payload: { token } }));
    await once(socket, "message");
    socket.on("message", () => void (events += 1));
    const query = "subscription { sessionEvents { type session { id } } }";
    for (let id = 0; id < Math.min(perSocket, subscriptions - opened); id += 1)
      socket.send(JSON.stringify({ id: `${id}`, type: "subscribe", payload: { query } }));
  }
  await pause(3_000);
  const open = await usage();
  const kept = (open.heap - before.heap) / subscriptions;
  process.stdout.write(`Bytes for each of ${subscriptions} subscriptions: ${Math.round(kept)}\n`);

  await renew(url, tokens[0]?.renewal);
  while (events < subscriptions) await pause(100);
  const warm = await usage();
  const idle = await usage();
  events = 0;
  const began = performance.now();
  await renew(url, tokens[1]?.renewal);
  const answered = performance.now() - began;
  while (events < subscriptions) await pause(10);
  const told = performance.now() - began;
  const after = await usage();
  const cpu = after.cpu - idle.cpu - (idle.cpu - warm.cpu);
  process.stdout.write(
    `One renewal: ${Math.round(cpu)} ms of CPU with its events; answered in ${Math.round(answered)} ms, ` +
      `the last event after ${Math.round(told)} ms\n`,
  );
  child.kill("SIGKILL");
  process.exit();
}

/** A renewal asks whether the user exists. */
async function register(url: string): Promise<string> {
  const input = { email: "grace@example.com", password: "correct horse battery staple" };
  const query =
    "mutation ($email: String!, $password: String!) { register(email: $email, password: $password) { ... on SignedIn { viewer { user { id } } } } }";
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: input }),
  });
  const { data } = (await response.json()) as {
    data: { register: { viewer: { user: { id: string } } } };
  };
  return data.register.viewer.user.id;
}

async function renew(url: string, token: string | undefined): Promise<void> {
  const query = "mutation ($token: String!) { renew(renewalToken: $token) { __typename } }";
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: { token } }),
  });
  const text = await response.text();
  if (!text.includes("SignedIn")) throw new Error(text);
}

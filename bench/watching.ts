/**
 * Measures the cost of many subscriptions of `sessionEvents` by one account: bytes of the heap for each, and the CPU
 * of one renewal. `node bench/watching.ts [subscriptions, 3500] [sessions, 100]`
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import type { Issued } from "../src/session/sessions.ts";
import { createCurfew } from "../src/node/create-curfew.ts";

interface Ready {
  readonly url: string;
  readonly tokens: readonly { readonly access: string; readonly renewal: string }[];
}

/** Bytes of the heap after a collection, or milliseconds of CPU since the start. */
type Question = "heap" | "cpu";

const [, , subscriptionCount = "3500", sessionCount = "100"] = process.argv;
const subscriptions = Number(subscriptionCount);
const sessions = Number(sessionCount);
/** The limit of subscriptions on one socket. */
const perSocket = 100;

if (process.send === undefined) await measure();
else await serve();

async function serve(): Promise<void> {
  const curfew = await createCurfew({ port: 0, dataDir: ":memory:", logLevel: "silent" });
  const userId = await register(curfew.url);
  const issued: Issued[] = [];
  const device = { userAgent: "bench", ipAddress: "192.0.2.1" };
  for (let i = 0; i < sessions; i += 1) issued.push(await curfew.sessions.start(userId, device));
  process.on("message", (question: Question) => {
    if (question === "cpu") {
      const { user, system } = process.cpuUsage();
      process.send?.((user + system) / 1000);
      return;
    }
    globalThis.gc?.();
    process.send?.(process.memoryUsage().heapUsed);
  });
  // Sent as plain text, because a `TokenPair` does not serialise its tokens.
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
  const ask = async (question: Question) => {
    child.send(question);
    return ((await once(child, "message")) as [number])[0];
  };
  let events = 0;
  const allReceived = async () => {
    for (;;) {
      if (events >= subscriptions) return;
      await pause(10);
    }
  };
  const before = await ask("heap");
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
  const kept = ((await ask("heap")) - before) / subscriptions;
  process.stdout.write(`Bytes for each of ${subscriptions} subscriptions: ${Math.round(kept)}\n`);

  await renew(url, tokens[0]?.renewal);
  await allReceived();
  await pause(1_000);
  events = 0;
  const cpuBefore = await ask("cpu");
  const began = performance.now();
  await renew(url, tokens[1]?.renewal);
  const answered = performance.now() - began;
  await allReceived();
  const received = performance.now() - began;
  const cpu = (await ask("cpu")) - cpuBefore;
  process.stdout.write(
    `One renewal: ${Math.round(cpu)} ms of CPU with its events; answered in ${Math.round(answered)} ms, ` +
      `the last event after ${Math.round(received)} ms\n`,
  );
  child.kill("SIGKILL");
  process.exit();
}

/** A renewal checks that the user exists. */
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

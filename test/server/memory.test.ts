/** One account, and one address, take as much memory as they may: a server with a heap of 512 MB serves on. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { login, newEmail, register } from "../helpers/http.ts";
import { connect, type TestSocket } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";
import { dieWithTests } from "../helpers/watchdog.ts";

const mebibyte = 1024 * 1024;
/** Of the heap, and of the buffers beside it. */
const mostMemory = 800 * mebibyte;

type Server = Awaited<ReturnType<typeof startServer>>;

async function startServer() {
  const child = fork(new URL("../helpers/memory-server.ts", import.meta.url), {
    execArgv: ["--max-old-space-size=512"],
  });
  dieWithTests(child);
  const [url] = (await once(child, "message")) as [string];
  const email = newEmail();
  await register(url, email);
  return {
    url,
    /** Of a user who does no harm. */
    email,
    socketUrl: url.replace("http", "ws"),
    get isRunning() {
      return child.exitCode === null && child.signalCode === null;
    },
    /** Access tokens of new sessions. */
    async start(userId: string, count: number): Promise<string[]> {
      child.send({ userId, count });
      return ((await once(child, "message")) as [string[]])[0];
    },
    /** Bytes, as the operating system counts them. */
    async memory(): Promise<number> {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

/** Another client logs in, and gets answers over HTTP and on a socket; and memory is within its bound. */
async function servesOn(server: Server): Promise<void> {
  const { accessToken } = await login(server.url, server.email);
  await using socket = await connect(server.socketUrl, accessToken, from("198.51.100.1"));
  socket.subscribe("1", "{ viewer { user { email } } }");
  expect(await socket.messages.next()).toMatchObject({
    payload: { data: { viewer: { user: { email: server.email } } } },
  });
  expect(server.isRunning).toBe(true);
  expect(await server.memory()).toBeLessThan(mostMemory);
}

const silent = "subscription ($filter: JSON) { silent(filter: $filter) { a } }";
/** A query after the others is answered when they run. */
const probe = "{ viewer { session { id } } }";

/** Opens operations on one socket; resolves to how many were refused. */
async function openAll(socket: TestSocket, payloads: readonly unknown[]): Promise<number> {
  payloads.forEach((payload, i) => socket.send({ id: `${i}`, type: "subscribe", payload }));
  let refused = 0;
  for (let probes = 0; ;) {
    // Those that are prepared take turns with it, so it may overtake some: the second does not.
    socket.subscribe("probe", probe);
    for (;;) {
      const message = await socket.messages.next(30_000);
      if (message.type === "error" && message.id !== "probe") {
        expect(message.payload[0].extensions.code).toBe("TOO_MANY_REQUESTS");
        refused += 1;
      }
      if (message.id === "probe" && message.type !== "next") break;
    }
    probes += 1;
    if (probes === 2) return refused;
  }
}

describe("a server with a heap of 512 MB", () => {
  let server: Server;
  beforeEach(async () => {
    server = await startServer();
  });
  afterEach(() => server.stop());

  it("continues to serve under subscriptions with ids of 200 KB, which it closes with 4400", async () => {
    const tokens = await server.start("ids", 10);
    for (const token of tokens) {
      await using socket = await connect(server.socketUrl, token, from("192.0.2.1"));
      for (let i = 0; i < 20; i += 1)
        socket.subscribe(`${i}${"x".repeat(200_000)}`, "subscription { sessionEvents { type } }");
      expect(await socket.closed).toMatchObject({ code: 4400 });
    }
    await servesOn(server);
  });

  it("continues to serve under subscriptions whose documents have 900 unused queries", async () => {
    const unused = Array.from({ length: 900 }, (_, i) => `query Q${i}{__typename}`).join(" ");
    const query = `subscription S{sessionEvents{type}} ${unused}`;
    const before = await server.memory();
    const sockets = [];
    for (const token of await server.start("documents", 3)) {
      const socket = await connect(server.socketUrl, token, from("192.0.2.2"));
      sockets.push(socket);
      const payloads = Array.from({ length: 66 }, () => ({ query, operationName: "S" }));
      expect(await openAll(socket, payloads)).toBe(0);
    }
    // Some 2.5 MB of each would be kept, were the whole document.
    expect((await server.memory()) - before).toBeLessThan(300 * mebibyte);
    await servesOn(server);
    await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
  });

  it("refuses operations beyond the limits of a session, a user and an address, and continues to serve", async () => {
    const size = 240_000;
    const payloads = Array.from({ length: 36 }, (_, i) => ({
      query: silent,
      variables: { filter: `${i}`.padEnd(size, "x") },
    }));
    const sockets: TestSocket[] = [];
    /** Opens on a new socket of each session; resolves to how many bytes are kept in all. */
    const fill = async (userId: string, sessions: number, address: string) => {
      let kept = 0;
      for (const token of await server.start(userId, sessions)) {
        const socket = await connect(server.socketUrl, token, from(address));
        sockets.push(socket);
        kept += (payloads.length - (await openAll(socket, payloads))) * size;
      }
      return kept;
    };
    const session = await fill("one session", 1, "192.0.2.3");
    expect(session).toBeGreaterThan(7 * mebibyte);
    expect(session).toBeLessThan(8 * mebibyte);
    const user = await fill("one user", 5, "192.0.2.4");
    expect(user).toBeGreaterThan(30 * mebibyte);
    expect(user).toBeLessThan(32 * mebibyte);
    let address = 0;
    for (let i = 0; i < 3; i += 1) address += await fill(`one address ${i}`, 4, "192.0.2.5");
    expect(address).toBeGreaterThan(60 * mebibyte);
    expect(address).toBeLessThan(64 * mebibyte);
    await servesOn(server);

    // Everything is given back, in whatever way operations end.
    sockets.forEach((socket, i) => (i % 2 === 0 ? socket.ws.close() : socket.ws.terminate()));
    await Promise.all(sockets.map(({ closed }) => closed));
    await until(
      async () => (await fill("one address 0", 1, "192.0.2.5")) > 7 * mebibyte,
      "room",
      20_000,
    );
    await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
  });

  it("continues to serve if an account reads none of its responses", async () => {
    const sockets: TestSocket[] = [];
    const before = await server.memory();
    for (const token of await server.start("unread", 80)) {
      const socket = await connect(server.socketUrl, token, from("192.0.2.6"));
      sockets.push(socket);
      socket.ws.pause();
      for (let i = 0; i < 8; i += 1) socket.subscribe(`${i}`, "{ large }");
    }
    await servesOn(server);
    // Each may leave eight megabytes unread, which would be 640, and all of them 32.
    expect((await server.memory()) - before).toBeLessThan(320 * mebibyte);
    await Promise.all(sockets.map((socket) => socket[Symbol.asyncDispose]()));
  });

  it("continues to serve if an address sends bodies and messages that do not end", async () => {
    const { hostname, port } = new URL(server.url);
    const open: Socket[] = [];
    const answers: string[] = [];
    const size = 262_144;
    for (let i = 0; i < 400; i += 1) {
      const tcp = connectTcp(Number(port), hostname);
      open.push(tcp);
      tcp.on("error", () => {}).on("data", (data) => answers.push(data.toString()));
      tcp.write(
        `POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
          `X-Forwarded-For: 192.0.2.7\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size - 1)}`,
      );
    }
    await until(() => answers.length >= 400 - 256, "the refusals");
    for (const answer of answers) expect(answer).toMatch(/^HTTP\/1.1 429 [^]*TOO_MANY_REQUESTS/);
    expect(answers).toHaveLength(400 - 256);
    await servesOn(server);
    for (const tcp of open) tcp.destroy();
  });
});

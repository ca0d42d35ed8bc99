/** One account or one address uses all the memory that it may: a server with a heap of 512 MB continues to serve. */
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
/** The limit for the heap and the buffers outside of it (bytes). */
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
    /** The access token of a user who is not an attacker. */
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
    /** The resident memory of the process (bytes). */
    async memory(): Promise<number> {
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
    },
    stop: () => void child.kill("SIGKILL"),
  };
}

const from = (address: string) => ({ headers: { "x-forwarded-for": address } });

/** Expects that another client can log in and use HTTP and a socket, and that the memory is within its limit. */
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
/** Sends a query after the others. Its result means that they run. */
const probe = "{ viewer { session { id } } }";

/** Opens operations on one socket. Resolves to the number of refused ones. */
async function openAll(socket: TestSocket, payloads: readonly unknown[]): Promise<number> {
  payloads.forEach((payload, i) => socket.send({ id: `${i}`, type: "subscribe", payload }));
  let refused = 0;
  for (let probes = 0; ;) {
    // The first query may overtake operations that are still being prepared. The second does not.
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
    // If the whole documents were retained, each would take about 2.5 MB.
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
    /** Opens operations on a new socket of each session. Resolves to the bytes charged in total. */
    const fill = async (userId: string, sessions: number, address: string) => {
      let charged = 0;
      for (const token of await server.start(userId, sessions)) {
        const socket = await connect(server.socketUrl, token, from(address));
        sockets.push(socket);
        charged += (payloads.length - (await openAll(socket, payloads))) * size;
      }
      return charged;
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

    // All memory is released, however operations end.
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
    // Each socket may leave 8 MB unread, which would be 640 MB, but the sockets of one user only 32 MB in total.
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

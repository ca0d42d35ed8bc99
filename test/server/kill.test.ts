import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient } from "graphql-ws";
import { expect, it } from "vitest";
import { newFolder, runCommand, startServer } from "../helpers/command.ts";
import { ask, askData, login, logout, newEmail, register, renew } from "../helpers/http.ts";
import { Queue } from "../helpers/queue.ts";
import { connect } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

const whoAmI = "{ viewer { user { email } } }";

it("a session outlives kill -9, and one that was logged out stays out", async () => {
  await using folder = await newFolder();
  const env = { PORT: "0", DATA_DIR: folder.path };
  await using first = await startServer(env);
  const email = newEmail();
  const loggedOut = await register(first.url, email);
  const kept = await login(first.url, email);
  expect(await logout(first.url, loggedOut.accessToken)).toBe(1);
  await first.stop("SIGKILL");

  await using second = await startServer(env);
  const answer = await ask(second.url, whoAmI, { token: kept.accessToken });
  expect(answer.data.viewer).toEqual({ user: { email } });
  expect(await renew(second.url, kept.renewalToken)).toMatchObject({ sessionId: kept.sessionId });
  const data = await askData(second.url, whoAmI, { token: loggedOut.accessToken });
  expect(data.viewer).toBeNull();
  expect(await renew(second.url, loggedOut.renewalToken)).toBe("ENDED");
});

it("a subscription comes back by itself after kill -9 and a new start", async () => {
  await using folder = await newFolder();
  await using servers = new AsyncDisposableStack();
  const first = servers.use(await startServer({ PORT: "0", DATA_DIR: folder.path }));
  const email = newEmail();
  const { accessToken, sessionId } = await register(first.url, email);
  const sessions = new Queue<unknown>();
  const closes = new Queue<unknown>();
  const events = new Queue<any>();
  const restarted = Promise.withResolvers<void>();
  const client = createClient({
    url: first.socketUrl,
    connectionParams: { token: accessToken },
    retryWait: () => restarted.promise,
    // The loss of a connection is an error first and a close second, and only closes are retried by default.
    shouldRetry: () => true,
    on: {
      connected: (_socket, ack) => sessions.push(ack?.["sessionId"]),
      closed: (event) => closes.push((event as CloseEvent).code),
    },
  });
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => client.dispose());
  client.subscribe(
    { query: "subscription { sessionEvents { type } }" },
    {
      next: ({ data }) => events.push(data?.["sessionEvents"]),
      error: (error) => events.push(error),
      complete: () => {},
    },
  );
  expect(await sessions.next()).toBe(sessionId);

  await first.stop("SIGKILL");
  expect(await closes.next()).toBe(1006);
  const second = servers.use(await startServer({ PORT: first.port, DATA_DIR: folder.path }));
  restarted.resolve();

  expect(await sessions.next()).toBe(sessionId);
  await until(async () => {
    await login(second.url, email);
    return events.pending.length > 0;
  }, "the login to be seen");
  expect(await events.next()).toEqual({ type: "STARTED" });
});

it("SIGTERM closes the sockets with 1012 and exits 0, with no token in what was printed", async () => {
  await using server = await startServer({ PORT: "0", DATA_DIR: ":memory:" });
  const { accessToken, renewalToken } = await register(server.url);
  await using socket = await connect(server.socketUrl, accessToken);
  await ask(server.url, whoAmI, { token: renewalToken });

  const { code, output, errors } = await server.stop("SIGTERM");

  expect(await socket.closed).toEqual({ code: 1012, reason: "SERVICE_RESTART" });
  expect(code).toBe(0);
  expect(output).toContain("WRONG_KIND");
  expect(output + errors).not.toMatch(/curfew_(access|renewal)_/);
});

it("a second SIGTERM does not wait", async () => {
  await using server = await startServer({ PORT: "0", DATA_DIR: ":memory:", DRAIN_TIME: "1h" });
  const { port, hostname } = new URL(server.url);
  // A request that never gets whole is answered never.
  const request = connectTcp(Number(port), hostname);
  await once(request, "connect");
  request.write("POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{");
  request.on("error", () => {});
  await ask(server.url, whoAmI);

  const ended = server.stop("SIGTERM");
  await until(async () => !(await accepts(server.port)), "the server to stop accepting");
  const stillThere = () => "still there";
  // On a connection that was kept it is answered; on a new one it is refused.
  const asked = ask(server.url, whoAmI).then(stillThere, stillThere);
  expect(await Promise.race([ended, asked])).toBe("still there");
  await server.stop("SIGTERM");
  expect(await ended).toMatchObject({ code: null });
});

/** Whether somebody listens there. */
async function accepts(port: string): Promise<boolean> {
  const socket = connectTcp(Number(port), "127.0.0.1");
  const outcome = Promise.withResolvers<boolean>();
  socket.once("connect", () => outcome.resolve(true)).once("error", () => outcome.resolve(false));
  try {
    return await outcome.promise;
  } finally {
    socket.destroy();
  }
}

it("says at the start where it is, where its data is and what to try, which works", async () => {
  await using folder = await newFolder();
  await using server = await startServer({ PORT: "0", DATA_DIR: folder.path });

  expect(server.startupReport).toMatch(
    /^Curfew serves GraphQL at http:\/\/127\.0\.0\.1:\d+\/graphql$/m,
  );
  expect(server.startupReport).toContain(folder.path);
  const command = /^ *curl .*/ms.exec(server.startupReport)?.[0] ?? "";
  const { stdout } = await promisify(execFile)("sh", ["-c", command]);
  const { data } = JSON.parse(stdout);
  const { accessToken } = data.register.tokens;
  const answer = await ask(server.url, whoAmI, { token: accessToken });
  expect(answer.data.viewer.user.email).toBe("ada@example.com");
});

it("refuses wrong settings by their names, with nothing else printed", async () => {
  await using folder = await newFolder();
  const dataDir = join(folder.path, "data");

  const outcome = await runCommand([], {
    PORT: "many",
    ACCESS_TOKEN_TTL: "1 h",
    DATA_DIR: dataDir,
  });

  expect(outcome).toEqual({
    code: 1,
    output: "",
    errors: `These settings are wrong:
  PORT must be a whole number from 0 to 65535, not 'many'. Example: PORT=4000
  ACCESS_TOKEN_TTL must be a duration from 1ms to 3650d, not '1 h'. Example: ACCESS_TOKEN_TTL=30m
`,
  });
});

it("says when its port is in use", async () => {
  await using other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };

  const outcome = await runCommand([], { PORT: String(port), DATA_DIR: ":memory:" });

  expect(outcome).toEqual({
    code: 1,
    output: "",
    errors: `Port ${port} on 127.0.0.1 is in use: stop what uses it, or set another. Example: PORT=4001\n`,
  });
});

it("says which folder it cannot make", async () => {
  await using folder = await newFolder();
  const file = join(folder.path, "file");
  await writeFile(file, "");

  const outcome = await runCommand([], { PORT: "0", DATA_DIR: join(file, "data") });

  expect(outcome).toMatchObject({ code: 1, output: "" });
  expect(outcome.errors).toMatch(/^ENOTDIR: not a directory, open '.*\/file\/data\/secret'\n$/);
});

/** A log reader that stalls, exits or is slow: the server continues to serve, and reports the number of lost lines. */
import { execFileSync, spawn, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LogOutput, nonBlocking } from "../../src/telemetry/log-output.ts";
import { newFolder } from "../helpers/command.ts";
import { ask, register } from "../helpers/http.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { until } from "../helpers/until.ts";
import { dieWithTests } from "../helpers/watchdog.ts";

/** Log lines of about 500 bytes each: together more than a pipe or a socket buffers. */
const times = 200;

interface Line {
  readonly msg: string;
  readonly lines?: number;
}

/** A pipe with both ends in this process. Unread data stays in it. */
async function openPipe() {
  const folder = await newFolder();
  const path = join(folder.path, "pipe");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = Buffer.alloc(65_536);
  return {
    fd,
    path,
    /** Reads the buffered data. */
    read: (): string => {
      let text = "";
      try {
        for (;;) {
          const length = readSync(fd, buffer);
          text += buffer.subarray(0, length).toString();
        }
      } catch {
        return text;
      }
    },
    [Symbol.asyncDispose]: async () => {
      closeSync(fd);
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function startServer(stdout: number | "pipe") {
  const { PATH = "" } = process.env;
  const stdio: StdioOptions = ["ignore", stdout, "pipe"];
  const env = { PATH, PORT: "0", DATA_DIR: ":memory:", DRAIN_TIME: "200ms", LOG_LEVEL: "info" };
  const child = spawn(process.execPath, ["src/main.ts"], { env, stdio });
  dieWithTests(child);
  const exited = once(child, "exit");
  let greeting = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (greeting += text));
  await until(() => greeting.includes("/graphql"), "the start");
  return { child, exited, url: /http:\S+/.exec(greeting)?.[0] ?? "" };
}

/** Sends requests that each write one log line of about 500 bytes. */
async function refuse(url: string, requests: number): Promise<void> {
  const headers = { "user-agent": "x".repeat(256) };
  for (let done = 0; done < requests; done += 50)
    await Promise.all(
      Array.from({ length: 50 }, () => ask(url, "{ __typename }", { token: "bad", headers })),
    );
}

it("a server whose log pipe is not read serves, stops, and loses no line that fits in memory", async () => {
  await using pipe = await openPipe();
  // Not a child process's own pipe: a process that starts another makes the descriptors it passes blocking.
  const end = openSync(pipe.path, constants.O_WRONLY);
  const { url, child, exited } = await startServer(end);
  closeSync(end);
  await refuse(url, times);
  const { accessToken: token } = await register(url);
  expect((await ask(url, "{ viewer { user { id } } }", { token })).data.viewer).not.toBeNull();
  expect((await metricsOf(url)).values.get("curfew_log_lines_lost_total")).toBe(0);
  let text = pipe.read();
  await until(() => {
    text += pipe.read();
    return text.includes('"registration"');
  }, "the lines that had to wait");
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  expect(lines.filter(({ msg }) => msg === "refused")).toHaveLength(times);
  // Again, with a reader that never continues.
  await refuse(url, times);
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});

it("a server whose log socket is not read serves and stops", async () => {
  const { url, child, exited } = await startServer("pipe");
  await refuse(url, times);
  await register(url);
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  child.stdout?.destroy();
});

it("a server whose log reader has gone serves, stops, and counts the lost lines", async () => {
  const { url, child, exited } = await startServer("pipe");
  child.stdout?.destroy();
  await refuse(url, 50);
  await until(async () => {
    await refuse(url, 50);
    return ((await metricsOf(url)).values.get("curfew_log_lines_lost_total") ?? 0) > 0;
  });
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});

it("the last lines are written at exit if the log reader is behind", async () => {
  const { url, child, exited } = await startServer("pipe");
  await refuse(url, times);
  child.kill("SIGTERM");
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (part: string) => (text += part));
  expect(await exited).toEqual([0, null]);
  await until(() => child.stdout?.readableEnded === true);
  expect(text.split("\n").filter((line) => line.includes('"refused"'))).toHaveLength(times);
});

it("lines beyond the limit are dropped, and one line reports how many", async () => {
  await using pipe = await openPipe();
  const numbers = (text: string) => text.trim().split("\n").map(Number);
  const fd = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
  const reports: number[] = [];
  const output: LogOutput = new LogOutput(fd, {
    maxWaiting: 100_000,
    onLost: (lines) => {
      reports.push(lines);
      output.write(`${-lines}\n`);
    },
  });
  const total = 100_000;
  for (let i = 1; i <= total; i += 1) output.write(`${i}\n`);
  expect(output.lost).toBeGreaterThan(0);
  let text = "";
  await until(() => {
    text += pipe.read();
    return reports.length > 0 && text.endsWith(`${-output.lost}\n`);
  });
  const lines = numbers(text);
  const kept = total - output.lost;
  expect(lines.slice(0, kept)).toEqual(Array.from({ length: kept }, (_, i) => i + 1));
  expect(lines.slice(kept)).toEqual([-output.lost]);
  output.write("0\n");
  expect(pipe.read()).toBe("0\n");
  closeSync(fd);
});

it("a reader that stays too slow gets a report in place of each gap", async () => {
  await using pipe = await openPipe();
  const fd = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
  const output: LogOutput = new LogOutput(fd, {
    maxWaiting: 20_000,
    onLost: (lines) => output.write(`${-lines}\n`),
  });
  let text = "";
  let written = 0;
  while (text.split("\n-").length < 4) {
    for (let i = 0; i < 20_000; i += 1) output.write(`${(written += 1)}\n`);
    text += pipe.read();
    await new Promise(setImmediate);
  }
  let next = 1;
  const lines = text.split("\n").slice(0, -1).map(Number);
  for (const line of lines) {
    if (line > 0) expect(line).toBe(next);
    next += line > 0 ? 1 : -line;
  }
  output.flush(0);
  closeSync(fd);
});

it("a flush takes no longer than its timeout", async () => {
  await using pipe = await openPipe();
  const fd = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
  const output = new LogOutput(fd, { maxWaiting: 1_000_000, onLost: () => {} });
  for (let i = 0; i < 2_000; i += 1) output.write(`${"x".repeat(99)}\n`);
  const since = performance.now();
  output.flush(100);
  expect(performance.now() - since).toBeLessThan(5_000);
  closeSync(fd);
});

it("standard output is written without blocking, or is a file", () => {
  const fd = nonBlocking(1);
  const [own, given] = [fstatSync(fd), fstatSync(1)];
  expect(own.ino).toBe(given.ino);
  if (fd !== 1) closeSync(fd);
});

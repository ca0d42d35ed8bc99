/** A server continues to serve if its log cannot be written. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { expect, it } from "vitest";
import { askData, register } from "../helpers/http.ts";
import { dieWithTests } from "../helpers/watchdog.ts";

it("a server whose log disk is full continues to serve, and stops on a signal", async () => {
  await using full = await open("/dev/full", "w");
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, ["src/main.ts"], {
    env: { PATH, PORT: "0", DATA_DIR: ":memory:" },
    stdio: ["ignore", full.fd, "pipe"],
  });
  dieWithTests(child);
  const exited = once(child, "exit");
  let greeting = "";
  child.stderr?.setEncoding("utf8");
  for await (const text of child.stderr ?? []) {
    greeting += String(text);
    if (greeting.includes("/graphql")) break;
  }
  const url = /http:\S+/.exec(greeting)?.[0] ?? "";
  // Each request writes a line of the audit trail.
  for (let i = 0; i < 3; i += 1) {
    const { accessToken: token } = await register(url);
    const data = await askData(url, "{ viewer { user { id } } }", { token });
    expect(data.viewer).not.toBeNull();
  }
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});

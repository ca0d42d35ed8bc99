/** Starts nginx with the configuration of the examples, in front of nodes on this machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newFolder } from "./command.ts";
import { isListening } from "./listening.ts";
import { freePorts } from "./redis-process.ts";
import { until } from "./until.ts";
import { dieWithTests } from "./watchdog.ts";

const config = new URL("../../examples/nodes/nginx.conf", import.meta.url);

const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** @param ports the nodes' ports, which replace those of the configuration */
export async function startNginx(ports: readonly string[]) {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await newFolder());
  const [port = 0] = await freePorts(1);
  const text = (await readFile(config, "utf8"))
    .replace(/curfew(\d):4000/g, (_, number: string) => `127.0.0.1:${ports[Number(number) - 1]}`)
    // Still shorter than the nodes' own keep-alive: here the nodes stop within seconds.
    .replace("keepalive_timeout 4s", "keepalive_timeout 400ms")
    // Each worker detects failed nodes by itself; `uses` can only check one.
    .replace("worker_processes auto", "worker_processes 1")
    .replace("listen 8080", `listen 127.0.0.1:${port}; add_header x-node $upstream_addr`)
    // Only the system's own nginx may write to the default temporary folders.
    .replace(
      "http {",
      `http {\n${temporary.map((name) => `${name}_temp_path ${name};`).join("\n")}`,
    );
  const file = join(folder.path, "nginx.conf");
  await writeFile(file, text);
  const args = ["-p", folder.path, "-c", file, "-e", "stderr", "-g", "daemon off;"];
  const child = spawn("/usr/sbin/nginx", args, { stdio: ["ignore", "ignore", "pipe"] });
  await once(child, "spawn");
  dieWithTests(child);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, "exit");
  opened.defer(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nginx did not start:\n${errors}`);
    return isListening(port);
  }, "nginx");
  const all = opened.move();
  const url = `http://127.0.0.1:${port}/graphql`;
  return {
    url,
    socketUrl: url.replace("http", "ws"),
    /** Resolves when nginx forwards requests to the node at that port. */
    async uses(nodePort: string) {
      await until(async () => {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ query: "{ __typename }" }),
        });
        await response.text();
        return response.ok && response.headers.get("x-node")?.endsWith(`:${nodePort}`) === true;
      }, "nginx to use the node");
    },
    /** nginx's error log so far. */
    errors: () => errors,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

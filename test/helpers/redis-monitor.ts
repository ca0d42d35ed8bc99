/** Records the commands that clients send to a Redis, with MONITOR. */
import { Redis } from "ioredis";
import type { RedisServer } from "./redis.ts";
import { until } from "./until.ts";

export interface Monitor extends AsyncDisposable {
  /** The names of the commands sent during the action, in order, without those of the probe of the links. */
  during(action: () => Promise<unknown>): Promise<string[]>;
}

export async function monitor(server: RedisServer): Promise<Monitor> {
  const client = new Redis(server.port);
  // ioredis drops MONITOR lines that arrive together with its reply: no other client may connect meanwhile.
  await client.ping();
  const watcher = await client.monitor();
  const commands: string[] = [];
  watcher.on("monitor", (_time: string, [name = "", ...rest]: string[], source: string) => {
    // Commands that a script calls do not come from a client.
    if (source === "lua" || ["ping", "info", "hello", "client"].includes(name.toLowerCase()))
      return;
    if (rest.some((text) => /^curfew:(attempts:)?probe:/.test(text))) return;
    commands.push([name.toLowerCase(), ...rest].join(" "));
  });
  const mark = async () => {
    const echo = `echo ${crypto.randomUUID()}`;
    await client.echo(echo.slice(5));
    await until(() => commands.includes(echo), "the monitor");
    return commands.indexOf(echo);
  };
  return {
    async during(action) {
      const from = await mark();
      await action();
      const to = await mark();
      return commands.slice(from + 1, to).map((command) => command.split(" ", 1)[0] ?? "");
    },
    async [Symbol.asyncDispose]() {
      watcher.disconnect();
      client.disconnect();
    },
  };
}

/** Which commands clients send to a Redis: MONITOR tells of each, in its order. */
import { Redis } from "ioredis";
import type { RedisServer } from "./redis.ts";
import { until } from "./until.ts";

export interface Monitor extends AsyncDisposable {
  /** What is sent while it is done, by the commands' names; probes of links are left out. */
  during(act: () => Promise<unknown>): Promise<string[]>;
}

export async function monitor(server: RedisServer): Promise<Monitor> {
  const client = new Redis(server.port);
  // ioredis takes no line of it that comes with the answer to MONITOR: nobody else may be connecting then.
  await client.ping();
  const watcher = await client.monitor();
  const generationAtRead: string[] = [];
  watcher.on("monitor", (_time: string, [name = "", ...rest]: string[], source: string) => {
    // What a script calls is no command of a client's.
    if (source !== "lua" && name.toLowerCase() !== "ping")
      generationAtRead.push([name.toLowerCase(), ...rest].join(" "));
  });
  const mark = async () => {
    const word = `echo ${crypto.randomUUID()}`;
    await client.echo(word.slice(5));
    await until(() => generationAtRead.includes(word), "the monitor");
    return generationAtRead.indexOf(word);
  };
  return {
    async during(act) {
      const from = await mark();
      await act();
      const to = await mark();
      return generationAtRead.slice(from + 1, to).map((command) => command.split(" ", 1)[0] ?? "");
    },
    async [Symbol.asyncDispose]() {
      watcher.disconnect();
      client.disconnect();
    },
  };
}

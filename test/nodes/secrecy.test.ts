/** Neither Redis nor the log ever gets to see what would let anybody in. */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { testApp } from "../helpers/app.ts";
import { ask, login, logout, newEmail, password, register, renew } from "../helpers/http.ts";
import { startNodes } from "../helpers/nodes.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { connect, TestSocket } from "../helpers/socket.ts";
import { openStream } from "../helpers/sse.ts";

/** The token, its body, and the session's secret in the ways that it could be written. */
function secretsOf(token: string): string[] {
  const body = token.slice(token.lastIndexOf("_", token.length - 88) + 1);
  const secret = Buffer.from(body, "base64url").subarray(18, 34);
  const hex = secret.toString("hex");
  return [token, body, hex, secret.toString("base64url"), secret.toString("latin1")];
}

/** All keys and all values, as text. */
async function everythingIn(redis: RedisServer): Promise<string> {
  const keys = (await redis.command("KEYS", "*")) as string[];
  const values = await Promise.all(
    keys.map(async (key) => {
      const type = await redis.command("TYPE", key);
      if (type === "hash") return redis.command("HGETALL", key);
      if (type === "string") return redis.command("GET", key);
      return redis.command("ZRANGE", key, 0, -1, "WITHSCORES");
    }),
  );
  return JSON.stringify([keys, values]);
}

it("no token, no secret of a session and no password comes to Redis or into the log", async () => {
  await using redis = await startRedis();
  const spy = new Redis(redis.port);
  const monitor = await spy.monitor();
  const commands: string[][] = [];
  monitor.on("monitor", (_time: string, args: string[]) => commands.push(args));
  const tokens: string[] = [];
  const logs: string[] = [];
  let content = "";
  {
    await using nodes = await startNodes(redis, testApp().schema);
    const { here, there } = nodes;
    const email = newEmail();
    const first = await register(here.url, email);
    const second = await renew(there.url, first.renewalToken);
    if (typeof second === "string") throw new Error(second);
    const third = await login(here.url, email);
    for (const { accessToken, renewalToken } of [first, second, third])
      tokens.push(accessToken, renewalToken);
    await using socket = await connect(there.socketUrl, second.accessToken);
    const { accessToken: token } = third;
    await using stream = await openStream(here.url, "subscription { said }", { token });
    await stream.events.next();
    for (const bad of [first.accessToken, first.renewalToken, `${token}x`, token.slice(0, -1)]) {
      tokens.push(bad);
      await ask(here.url, "{ own broken }", { token: bad });
      await using refused = await new TestSocket(here.socketUrl).opened();
      refused.init({ token: bad });
      await refused.closed;
    }
    await ask(here.url, `mutation { login(email: "${email}", password: "${password}") { x } }`);
    await ask(here.url, `{ broken # ${token} ${password}\n}`);
    await ask(`${here.url}?token=${token}`, "{ own }");
    content = await everythingIn(redis);
    await logout(here.url, second.accessToken);
    await socket.closed;
    logs.push(JSON.stringify(here.log), JSON.stringify(there.log));
  }
  monitor.disconnect();
  spy.disconnect();

  expect(content).toContain("curfew:session:");
  expect(commands.flat().join(" ").toUpperCase()).toContain("PUBLISH");
  for (const text of [content, JSON.stringify(commands), ...logs])
    for (const secret of [password, ...tokens.flatMap(secretsOf)])
      expect(text.includes(secret)).toBe(false);
});

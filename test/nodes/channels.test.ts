/** Several deployments on one Redis: each hears its own messages only. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CurfewOptions } from "../../src/node/create-curfew.ts";
import { testApp } from "../helpers/app.ts";
import { memoryUsers, withoutClose } from "../helpers/backends.ts";
import { newFolder, runCommand } from "../helpers/command.ts";
import { startCurfew } from "../helpers/curfew.ts";
import { newEmail } from "../helpers/http.ts";
import { metricsOf } from "../helpers/metrics.ts";
import { rareRechecks } from "../helpers/nodes.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { device } from "../helpers/sessions.ts";
import { connect, watchSessions } from "../helpers/socket.ts";
import { until } from "../helpers/until.ts";

let redis: RedisServer;
beforeAll(async () => void (redis = await startRedis()));
afterAll(() => redis[Symbol.asyncDispose]());
beforeEach(() => redis.flush());

const users = memoryUsers();
afterAll(() => users.close());

function start(database: number, options: CurfewOptions = {}) {
  return startCurfew({
    ...testApp().schema,
    ...rareRechecks,
    redisUrl: `${redis.url}/${database}`,
    backends: { users: withoutClose(users) },
    ...options,
  });
}

async function newUser(): Promise<string> {
  const user = await users.create(newEmail(), "no hash", Date.now());
  if (user === "taken") throw new Error("Taken");
  return user.id;
}

async function channels(): Promise<string[]> {
  return (await redis.command("PUBSUB", "CHANNELS", "*")) as string[];
}

const deployments: Record<string, readonly [CurfewOptions, CurfewOptions]> = {
  "in two databases": [{ redisUrl: "0" }, { redisUrl: "1" }],
  "with two prefixes": [{ redisChannelPrefix: "blue" }, { redisChannelPrefix: "green" }],
  "with and without a prefix": [{}, { redisChannelPrefix: "green" }],
};

describe.each(Object.entries(deployments))("two deployments %s", (_, [one, other]) => {
  it("hear no app's events, no changes of sessions and no ends of each other", async () => {
    const open = ({ redisUrl = "0", ...options }: CurfewOptions) =>
      start(Number(redisUrl), options);
    await using here = await open(one);
    await using there = await open(other);
    const userId = await newUser();
    const { tokens } = await there.sessions.start(userId, device);
    await using socket = await connect(there.socketUrl, tokens.accessToken);
    socket.subscribe("said", "subscription { said }");
    expect((await socket.messages.next()).payload.data).toEqual({ said: "ready" });
    await using watching = await connect(there.socketUrl, tokens.accessToken);
    await watchSessions(watching, () => there.sessions.start(userId, device));

    await here.events.publish("said", "here");
    const { session: foreign } = await here.sessions.start(userId, device);
    await here.sessions.end(foreign.fingerprint, "LOGOUT");
    await there.events.publish("said", "there");
    const { session: own } = await there.sessions.start(userId, device);
    await there.sessions.end(own.fingerprint, "LOGOUT");

    expect((await socket.messages.next()).payload.data).toEqual({ said: "there" });
    const seen: string[] = [];
    while (!seen.includes(own.fingerprint))
      seen.push((await watching.messages.next()).payload.data.sessionEvents.session.id);
    expect(seen).not.toContain(foreign.fingerprint);
    const { values } = await metricsOf(there.url);
    expect(values.get("curfew_ends_remembered")).toBe(1);
  });
});

/** The channels of a node with one socket, without those of nodes. */
async function channelsOf(database: number, options: CurfewOptions = {}) {
  await using curfew = await start(database, options);
  const { session, tokens } = await curfew.sessions.start(await newUser(), device);
  await using socket = await connect(curfew.socketUrl, tokens.accessToken);
  expect(socket.ack).toBeDefined();
  const id = session.fingerprint;
  const names = (await channels()).filter((name) => name.endsWith(id) || name.endsWith("ends"));
  return names.map((name) => name.replace(id, "id")).toSorted();
}

describe("channels", () => {
  const earlier = ["curfew:ends", "curfew:session:id"];

  it("of database 0 have the names of earlier versions", async () => {
    expect(await channelsOf(0)).toEqual(earlier);
  });

  it("of another database have them with REDIS_CHANNEL_DATABASE=false", async () => {
    expect(await channelsOf(1, { redisChannelDatabase: false })).toEqual(earlier);
  });

  it("of another database have its number otherwise, and the prefix", async () => {
    expect(await channelsOf(1)).toEqual(["curfew:@1:ends", "curfew:@1:session:id"]);
    const prefixed = { redisChannelPrefix: "green" };
    const names = ["curfew:green@1:ends", "curfew:green@1:session:id"];
    expect(await channelsOf(1, prefixed)).toEqual(names);
  });
});

it("curfew admin uses the channels of the server whose settings it has", async () => {
  await using folder = await newFolder();
  const secret = "the only secret of this test run";
  await using curfew = await start(1, { redisChannelPrefix: "green", secrets: [secret] });
  const { session, tokens } = await curfew.sessions.start(await newUser(), device);
  await using socket = await connect(curfew.socketUrl, tokens.accessToken);
  const { code, errors } = await runCommand(["admin", "end-session", session.fingerprint], {
    DATA_DIR: folder.path,
    CURFEW_SECRETS: secret,
    REDIS_URL: `${redis.url}/1`,
    REDIS_CHANNEL_PREFIX: "green",
  });
  expect(code, errors).toBe(0);
  expect(await socket.closed).toEqual({ code: 4401, reason: "SESSION_ENDED" });
  await until(async () => (await metricsOf(curfew.url)).sum("curfew_ends_remembered") === 1);
});

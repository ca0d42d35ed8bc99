/** Whatever is asked, and however it fails: nothing shows what would let anybody in. */
import { hkdfSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { newFolder, runCommand, startServer, type ServerProcess } from "../helpers/command.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { Visitor, words } from "../helpers/secret-crawler.ts";

const secret = "a signing secret that is looked for everywhere";
const storePassword = "what+opens/the=store";

/** How a secret may be written. */
function spellings(value: string | Buffer): string[] {
  const bytes = Buffer.from(value);
  return [
    bytes.toString("latin1"),
    bytes.toString("hex"),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
    ...(typeof value === "string" ? [encodeURIComponent(value), JSON.stringify(value)] : []),
  ];
}

/** A token, the body of it, and the session's secret and the signature in that. */
function partsOf(token: string): string[] {
  const body = token.slice(-88);
  const bytes = Buffer.from(body, "base64url");
  return [token, body, ...spellings(bytes.subarray(18, 34)), ...spellings(bytes.subarray(34))];
}

/** What was seen, by where; bytes as latin1. */
class Evidence {
  readonly #generationAtRead: (readonly [where: string, text: string])[] = [];

  add(where: string, generationAtRead: unknown): void {
    const text = Buffer.isBuffer(generationAtRead)
      ? generationAtRead.toString("latin1")
      : typeof generationAtRead === "string"
        ? generationAtRead
        : JSON.stringify(generationAtRead);
    this.#generationAtRead.push([where, text]);
  }

  addFolder(where: string, folder: string, except: string): void {
    for (const file of readdirSync(folder))
      if (file !== except) this.add(`${where}, ${file}`, readFileSync(join(folder, file)));
  }

  /** How the process shows in a list of them. */
  addProcess({ pid }: ServerProcess): void {
    for (const file of ["cmdline", "comm", "status"])
      this.add(`the process, ${file}`, readFileSync(`/proc/${pid}/${file}`));
  }

  /** So that what was not looked at is not taken for clean. */
  expectSeen(where: string, ...texts: readonly string[]): void {
    const all = this.#generationAtRead
      .filter(([name]) => name.startsWith(where))
      .map(([, text]) => text);
    expect(
      texts.filter((text) => !all.some((one) => one.includes(text))),
      where,
    ).toEqual([]);
  }

  /** Where any of them stands. */
  places(secrets: readonly string[]): string[] {
    return this.#generationAtRead
      .filter(([, text]) => secrets.some((one) => text.includes(one)))
      .map(([where]) => where);
  }
}

/** All that a visit, and what was shown besides, must not contain. */
function secretsOf(visitors: readonly Visitor[], ...others: readonly string[]): string[] {
  return [
    ...visitors.flatMap(({ tokens }) => [...tokens].flatMap(partsOf)),
    ...Object.values(words).flatMap(spellings),
    ...spellings(secret),
    ...spellings(Buffer.from(hkdfSync("sha256", secret, "", "curfew token", 32))),
    ...others,
  ];
}

async function everythingIn(redis: RedisServer): Promise<unknown[]> {
  const keys = (await redis.command("KEYS", "*")) as string[];
  const valueOf = async (key: string) => {
    const type = await redis.command("TYPE", key);
    if (type === "hash") return redis.command("HGETALL", key);
    if (type === "string") return redis.command("GET", key);
    return redis.command("ZRANGE", key, 0, -1, "WITHSCORES");
  };
  return [keys, await Promise.all(keys.map(valueOf))];
}

async function tablesOf(postgres: PostgresServer, url: string): Promise<unknown[]> {
  const tables = await postgres.query(
    url,
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  return Promise.all(
    tables.map(({ name }) => postgres.query(url, `SELECT t::text FROM ${String(name)} t`)),
  );
}

const env = { PORT: "0", LOG_LEVEL: "trace", RENEWAL_GRACE: "1ms", MAX_LOGIN_FAILURES: "3" };

it("nodes with Redis and PostgreSQL show no token, secret or password anywhere", async () => {
  await using redis = await startRedis();
  await using postgres = await PostgresServer.start();
  const databaseUrl = await postgres.newDatabase();
  const databasePassword = decodeURIComponent(new URL(databaseUrl).password);
  await redis.command("ACL", "SETUSER", "curfew", "on", `>${storePassword}`, "~*", "&*", "+@all");
  const redisUrl = redis.url.replace("//", `//curfew:${encodeURIComponent(storePassword)}@`);
  const nodeEnv = {
    ...env,
    CURFEW_SECRETS: secret,
    REDIS_URL: redisUrl,
    DATABASE_URL: databaseUrl,
  };
  const evidence = new Evidence();
  const spy = new Redis(redis.port);
  // ioredis takes no line of it that comes with the answer to MONITOR: this one must not be connecting then.
  await spy.ping();
  const monitor = await spy.monitor();
  monitor.on("monitor", (_time: string, args: string[]) => evidence.add("commands", args));
  await using here = await startServer(nodeEnv);
  await using there = await startServer(nodeEnv);

  const visitors = [new Visitor(here, there), new Visitor(there, here)];
  for (const visitor of visitors) await visitor.doEverything();
  const [kept = ""] = visitors.flatMap(({ tokens }) => [...tokens].slice(-1));
  evidence.add("inspect", await runCommand(["inspect"], nodeEnv, kept));
  evidence.add("keys and values", await everythingIn(redis));
  evidence.add("tables", await tablesOf(postgres, databaseUrl));
  for (const node of [here, there]) evidence.addProcess(node);
  monitor.disconnect();
  spy.disconnect();
  await Promise.all([redis.kill(), postgres.kill()]);
  for (const visitor of visitors) await visitor.findNothingThere();
  for (const node of [here, there]) evidence.add("the log", await node.stop("SIGTERM"));
  for (const { shown } of visitors) for (const text of shown) evidence.add("answers", text);

  evidence.expectSeen("commands", "publish", "curfew:session:");
  evidence.expectSeen("keys and values", "curfew:session:", "curfew:attempts:");
  evidence.expectSeen("tables", "$argon2id$");
  evidence.expectSeen("the log", "refused", "ECONNREFUSED", "Curfew serves GraphQL");
  evidence.expectSeen("the process", "src/main.ts");
  evidence.expectSeen(
    "answers",
    "SERVICE_UNAVAILABLE",
    "SESSION_ENDED",
    "REUSED",
    "TooManyAttempts",
  );
  const found = evidence.places(
    secretsOf(visitors, ...spellings(storePassword), ...spellings(databasePassword)),
  );
  expect(found).toEqual([]);
  // Hashes are for the table alone.
  expect(new Set(evidence.places(["$argon2"]))).toEqual(new Set(["tables"]));
});

it("a server with SQLite shows none either", async () => {
  await using folder = await newFolder();
  const evidence = new Evidence();
  await using server = await startServer({ ...env, DATA_DIR: folder.path });
  const visitor = new Visitor(server, server);
  await visitor.doEverything();
  evidence.addFolder("files", folder.path, "secret");
  evidence.addProcess(server);
  evidence.add("the log", await server.stop("SIGTERM"));
  evidence.addFolder("files at the end", folder.path, "secret");
  for (const text of visitor.shown) evidence.add("answers", text);

  evidence.expectSeen("files", "$argon2id$");
  evidence.expectSeen("files at the end", "$argon2id$");
  const own = readFileSync(join(folder.path, "secret"), "utf8").trim();
  expect(evidence.places(secretsOf([visitor], ...spellings(own)))).toEqual([]);
  // What finds nothing would find it, if it were there.
  evidence.add("a control", `It is ${[...visitor.tokens][0]}.`);
  expect(evidence.places(secretsOf([visitor]))).toEqual(["a control"]);
});

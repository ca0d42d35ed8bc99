/** No response, log, command, table or process list shows a token, secret or password. */
import { hkdfSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { newFolder, runCommand, startServer, type ServerProcess } from "../helpers/command.ts";
import { PostgresServer } from "../helpers/postgres.ts";
import { startRedis, type RedisServer } from "../helpers/redis.ts";
import { SecretCrawler, passwords } from "../helpers/secret-crawler.ts";

const secret = "a signing secret that is looked for everywhere";
const storePassword = "what+opens/the=store";

/** The encodings in which a secret may appear. */
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

/** A token, its body, and the session secret and signature inside the body. */
function partsOf(token: string): string[] {
  const body = token.slice(-88);
  const bytes = Buffer.from(body, "base64url");
  return [token, body, ...spellings(bytes.subarray(18, 34)), ...spellings(bytes.subarray(34))];
}

/** Collected texts by their source; bytes as latin1. */
class Evidence {
  readonly #texts: (readonly [where: string, text: string])[] = [];

  add(where: string, content: unknown): void {
    const text = Buffer.isBuffer(content)
      ? content.toString("latin1")
      : typeof content === "string"
        ? content
        : JSON.stringify(content);
    this.#texts.push([where, text]);
  }

  addFolder(where: string, folder: string, except: string): void {
    for (const file of readdirSync(folder))
      if (file !== except) this.add(`${where}, ${file}`, readFileSync(join(folder, file)));
  }

  /** Adds what a process list shows of the process. */
  addProcess({ pid }: ServerProcess): void {
    for (const file of ["cmdline", "comm", "status"])
      this.add(`the process, ${file}`, readFileSync(`/proc/${pid}/${file}`));
  }

  /** Asserts that a source contains these texts: a source that was never read would pass as clean. */
  expectSeen(where: string, ...texts: readonly string[]): void {
    const all = this.#texts.filter(([name]) => name.startsWith(where)).map(([, text]) => text);
    expect(
      texts.filter((text) => !all.some((one) => one.includes(text))),
      where,
    ).toEqual([]);
  }

  /** The sources that contain one of the secrets. */
  sourcesOf(secrets: readonly string[]): string[] {
    return this.#texts
      .filter(([, text]) => secrets.some((one) => text.includes(one)))
      .map(([where]) => where);
  }
}

/** All secrets that must not appear. */
function secretsOf(crawlers: readonly SecretCrawler[], ...others: readonly string[]): string[] {
  return [
    ...crawlers.flatMap(({ tokens }) => [...tokens].flatMap(partsOf)),
    ...Object.values(passwords).flatMap(spellings),
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
  // ioredis drops MONITOR lines that arrive together with its reply: the client has to be connected first.
  await spy.ping();
  const monitor = await spy.monitor();
  monitor.on("monitor", (_time: string, args: string[]) => evidence.add("commands", args));
  await using here = await startServer(nodeEnv);
  await using there = await startServer(nodeEnv);

  const crawlers = [new SecretCrawler(here, there), new SecretCrawler(there, here)];
  for (const crawler of crawlers) await crawler.crawl();
  const [lastToken = ""] = crawlers.flatMap(({ tokens }) => [...tokens].slice(-1));
  evidence.add("inspect", await runCommand(["inspect"], nodeEnv, lastToken));
  evidence.add("keys and values", await everythingIn(redis));
  evidence.add("tables", await tablesOf(postgres, databaseUrl));
  for (const node of [here, there]) evidence.addProcess(node);
  monitor.disconnect();
  spy.disconnect();
  await Promise.all([redis.kill(), postgres.kill()]);
  for (const crawler of crawlers) await crawler.crawlDuringOutage();
  for (const node of [here, there]) evidence.add("the log", await node.stop("SIGTERM"));
  for (const { responses } of crawlers)
    for (const text of responses) evidence.add("responses", text);

  evidence.expectSeen("commands", "publish", "curfew:session:");
  evidence.expectSeen("keys and values", "curfew:session:", "curfew:attempts:");
  evidence.expectSeen("tables", "$argon2id$");
  evidence.expectSeen("the log", "refused", "ECONNREFUSED", "Curfew serves GraphQL");
  evidence.expectSeen("the process", "src/main.ts");
  evidence.expectSeen(
    "responses",
    "SERVICE_UNAVAILABLE",
    "SESSION_ENDED",
    "REUSED",
    "TooManyAttempts",
  );
  const found = evidence.sourcesOf(
    secretsOf(crawlers, ...spellings(storePassword), ...spellings(databasePassword)),
  );
  expect(found).toEqual([]);
  // Password hashes appear only in the table.
  expect(new Set(evidence.sourcesOf(["$argon2"]))).toEqual(new Set(["tables"]));
});

it("a server with SQLite shows no token, secret or password anywhere", async () => {
  await using folder = await newFolder();
  const evidence = new Evidence();
  await using server = await startServer({ ...env, DATA_DIR: folder.path });
  const crawler = new SecretCrawler(server, server);
  await crawler.crawl();
  evidence.addFolder("files", folder.path, "secret");
  evidence.addProcess(server);
  evidence.add("the log", await server.stop("SIGTERM"));
  evidence.addFolder("files at the end", folder.path, "secret");
  for (const text of crawler.responses) evidence.add("responses", text);

  evidence.expectSeen("files", "$argon2id$");
  evidence.expectSeen("files at the end", "$argon2id$");
  const generatedSecret = readFileSync(join(folder.path, "secret"), "utf8").trim();
  expect(evidence.sourcesOf(secretsOf([crawler], ...spellings(generatedSecret)))).toEqual([]);
  // A control: the search finds a token that is there.
  evidence.add("a control", `It is ${[...crawler.tokens][0]}.`);
  expect(evidence.sourcesOf(secretsOf([crawler]))).toEqual(["a control"]);
});

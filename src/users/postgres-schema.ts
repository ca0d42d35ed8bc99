/** The tables of users in PostgreSQL and their migrations. */
import type { Client } from "pg";

/**
 * Each is applied once, in this order, and never changed afterwards: a change is a new migration. Nodes of
 * the previous version keep running meanwhile, so a migration must not remove anything that they use.
 */
const migrations: readonly string[] = [
  `CREATE TABLE curfew_users (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    created_at bigint NOT NULL,
    locked boolean NOT NULL DEFAULT false
  )`,
  // Both have defaults: nodes of the previous version insert users without them.
  `ALTER TABLE curfew_users
    ADD COLUMN security_version integer NOT NULL DEFAULT 0,
    ADD COLUMN security_reason text`,
];

/** The advisory lock of migrations: an arbitrary number that other users of the database are unlikely to use. */
const lock = 0x637572666577;

/**
 * Applies missing migrations in one transaction. If none is missing, it writes nothing and needs no
 * privilege to create tables. It leaves a database of a later version as it is.
 */
export async function migrate(client: Client): Promise<void> {
  if ((await knownVersion(client)) >= migrations.length) return;
  // READ COMMITTED: after waiting for the lock, a node sees the migrations that another node applied.
  await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  await client.query("SELECT pg_advisory_xact_lock($1)", [lock]);
  await client.query("CREATE TABLE IF NOT EXISTS curfew_migrations (version integer PRIMARY KEY)");
  const version = await currentVersion(client);
  for (const [index, sql] of migrations.entries()) {
    if (index < version) continue;
    await client.query(sql);
    await client.query("INSERT INTO curfew_migrations (version) VALUES ($1)", [index + 1]);
  }
  await client.query("COMMIT");
}

/** Only for use outside a transaction: inside one, PostgreSQL may still see the table as absent. */
async function knownVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ readonly is_there: boolean }>(
    "SELECT to_regclass('curfew_migrations') IS NOT NULL AS is_there",
  );
  return rows[0]?.is_there === true ? currentVersion(client) : 0;
}

async function currentVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ readonly version: number | null }>(
    "SELECT max(version) AS version FROM curfew_migrations",
  );
  return rows[0]?.version ?? 0;
}

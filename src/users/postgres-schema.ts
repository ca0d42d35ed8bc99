/** The tables of the users in PostgreSQL, and how they get from one version to the next. */
import type { Client } from "pg";

/**
 * Each is applied once, in this order, and is never changed afterwards: what is to be different is one
 * more. Nodes of the version before run on meanwhile, so nothing may be taken from them.
 */
const migrations: readonly string[] = [
  `CREATE TABLE curfew_users (
    id text PRIMARY KEY,
    email text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    created_at bigint NOT NULL,
    locked boolean NOT NULL DEFAULT false
  )`,
];

/** Whoever migrates holds it: a number of ours among all that use advisory locks in the database. */
const lock = 0x637572666577;

/**
 * Applies what is missing, in one transaction. Where nothing is, nothing is written and no right to make
 * tables is needed; a database of a later version is left as it is.
 */
export async function migrate(client: Client): Promise<void> {
  if ((await knownVersion(client)) >= migrations.length) return;
  // Whoever had to wait sees then what was done meanwhile.
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

/** Of use outside of a transaction only: in one, PostgreSQL may still take the table for absent. */
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

/** The Lua scripts that Redis runs, each an atomic step on one key. */
import type { Result } from "ioredis";
import { unknownNetwork } from "../../lib/client-network.ts";
import { maxForeignReplays } from "../../session/renewal-rules.ts";
import { laterFields, maxNetworks, type Session } from "../../session/session.ts";
import type { RenewalOutcome } from "../../session/store.ts";
import type { RedisClient } from "./client.ts";

declare module "ioredis" {
  interface RedisCommander<Context> {
    curfewRenew(
      key: string,
      now: number,
      generation: number,
      generationAtRead: number,
      accessExpiresAt: number,
      idleExpiresAt: number,
      grace: number,
      clockOffset: number,
      network: string,
      foreignReplaysEnd: 0 | 1,
    ): Result<["absent"] | [Exclude<RenewalOutcome["outcome"], "absent">, string], Context>;
    curfewReissue(
      key: string,
      now: number,
      atLeast: number,
      accessExpiresAt: number,
      idleExpiresAt: number,
      clockOffset: number,
      network: string,
    ): Result<string | null, Context>;
    curfewTouch(key: string, now: number): Result<unknown, Context>;
    curfewList(
      key: string,
      now: number,
      absoluteExpiresAt: number,
      fingerprint: string,
    ): Result<unknown, Context>;
  }
}

/** Idempotent. ioredis sends a script's text again if Redis has forgotten it. */
export function defineScripts(client: RedisClient): void {
  for (const [name, lua] of Object.entries(scripts)) {
    client.defineCommand(name, { lua, numberOfKeys: 1 });
  }
}

/** Sets the fields that records of earlier versions lack. */
const addLaterFields = Object.entries(laterFields)
  .map(
    ([field, value]) =>
      `  if session.${field} == nil then session.${field} = ${literal(value)} end`,
  )
  .join("\n");

function literal(value: string | number | null): string {
  return value === null ? "cjson.null" : JSON.stringify(value);
}

/** The session as a table and as its text, or nil if there is no live one. */
const live = `
local function live(key, now)
  local text = redis.call('GET', key)
  local session = text and cjson.decode(text)
  if not session or session.idleExpiresAt <= tonumber(now) then return end
${addLaterFields}
  return session, text
end
`;

/** Redis's own time in milliseconds, plus the caller's offset. */
const clock = `
local function clock(offset)
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000 + math.floor(microseconds / 1000) + offset
end
`;

/** `rotateSession` in Lua: the new value of each field; null leaves it. The scripts set `graceEndsAt`. */
const rotated = {
  fingerprint: null,
  userId: null,
  generation: "generation + 1",
  createdAt: null,
  renewedAt: "tonumber(now)",
  lastSeenAt: "tonumber(now)",
  accessExpiresAt: "math.min(accessExpiresAt, idleEnd)",
  idleExpiresAt: "idleEnd",
  absoluteExpiresAt: null,
  graceEndsAt: null,
  minGeneration: null,
  networks: "addNetwork(session.networks, network)",
  foreignReplays: null,
  foreignReplayGeneration: null,
  securityVersion: null,
  userAgent: null,
  ipAddress: null,
} as const satisfies Record<keyof Session, string | null>;

const setRotated = Object.entries(rotated)
  .filter(([, value]) => value !== null)
  .map(([field, value]) => `  session.${field} = ${value}`)
  .join("\n");

const rotate = `
local function addNetwork(networks, network)
  local latest = {network}
  for known in string.gmatch(networks, '%S+') do
    if known ~= network and #latest < ${maxNetworks} then latest[#latest + 1] = known end
  end
  return table.concat(latest, ' ')
end
local function rotate(session, generation, now, accessExpiresAt, idleExpiresAt, network)
  local idleEnd = math.min(idleExpiresAt, session.absoluteExpiresAt)
${setRotated}
end
local function store(key, session)
  local text = cjson.encode(session)
  redis.call('SET', key, text, 'PXAT', session.idleExpiresAt)
  return text
end
`;

/** `isForeignReplay` in Lua. */
const luaIsForeignReplay = `
local function isForeignReplay(session, network)
  if session.foreignReplayGeneration == session.generation or network == '${unknownNetwork}' then return false end
  local known = false
  for one in string.gmatch(session.networks, '%S+') do
    if one == network then return false end
    if one ~= '${unknownNetwork}' then known = true end
  end
  return known
end
`;

const scripts = {
  // `decideRenewal` and `rotateSession` in Lua. cjson prints up to 14 digits, and times have 13. The grace
  // period is measured by Redis's own clock when the script runs: it is the same for every node, however
  // late the command arrives.
  curfewRenew: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the token, ARGV[3] generation of the session at the caller's read
-- ARGV[4] accessExpiresAt, ARGV[5] idleExpiresAt, neither limited by absoluteExpiresAt yet
-- ARGV[6] grace period in milliseconds, ARGV[7] offset of the caller's clock in milliseconds
-- ARGV[8] the client's network, ARGV[9] 1 if foreign replays in a row end the session
${live}${clock}${rotate}${luaIsForeignReplay}
local session, text = live(KEYS[1], ARGV[1])
if not session then return {'absent'} end

local now = clock(ARGV[7])
local presented, atRead, current = tonumber(ARGV[2]), tonumber(ARGV[3]), session.generation
if presented < session.minGeneration then return {'superseded', text} end
if presented < current then
  local isConcurrent = atRead < current and presented >= atRead - 1
  local isInGrace = presented == current - 1 and now < session.graceEndsAt
  if not (isConcurrent or isInGrace) then return {'reused', text} end
  if not isForeignReplay(session, ARGV[8]) then return {'replayed', text} end
  local isInARow = session.foreignReplayGeneration == current - 1
  local replays = isInARow and session.foreignReplays + 1 or 1
  if ARGV[9] == '1' and replays >= ${maxForeignReplays} then return {'reused', text} end
  session.foreignReplays = replays
  session.foreignReplayGeneration = current
  return {'foreignReplay', store(KEYS[1], session)}
end

rotate(session, presented, ARGV[1], ARGV[4], ARGV[5], ARGV[8])
session.graceEndsAt = now + ARGV[6]
return {'rotated', store(KEYS[1], session)}
`,

  // `reissueSession` in Lua.
  curfewReissue: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the caller's token
-- ARGV[3] accessExpiresAt, ARGV[4] idleExpiresAt, neither limited by absoluteExpiresAt yet
-- ARGV[5] offset of the caller's clock in milliseconds, ARGV[6] the client's network
${live}${clock}${rotate}
local session = live(KEYS[1], ARGV[1])
if not session then return false end
local generation = math.max(session.generation, tonumber(ARGV[2]))
rotate(session, generation, ARGV[1], ARGV[3], ARGV[4], ARGV[6])
session.graceEndsAt = clock(ARGV[5])
session.minGeneration = session.generation
return store(KEYS[1], session)
`,

  curfewTouch: `
-- KEYS[1] the record
-- ARGV[1] now
${live}
local session = live(KEYS[1], ARGV[1])
if not session then return end
session.lastSeenAt = tonumber(ARGV[1])
redis.call('SET', KEYS[1], cjson.encode(session), 'KEEPTTL')
`,

  curfewList: `
-- KEYS[1] the index of a user
-- ARGV[1] now, ARGV[2] absoluteExpiresAt, ARGV[3] fingerprint
-- A renewal finds the session listed already, unless a failover lost the entry.
if redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3]) == 0 then return end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
-- The index expires with its last member. NX sets the first expiry: GT treats a key without one as
-- infinite and would never set it.
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'NX')
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'GT')
`,
};

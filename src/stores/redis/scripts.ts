/** The scripts that Redis runs, each an atomic step on one key. */
import type { Result } from "ioredis";
import { unknownNetwork } from "../../lib/client-network.ts";
import { maxForeignReplays, maxNetworks } from "../../session/session.ts";
import type { RenewalOutcome } from "../../session/store.ts";
import type { RedisClient } from "./client.ts";

declare module "ioredis" {
  interface RedisCommander<Context> {
    curfewRenew(
      key: string,
      now: number,
      generation: number,
      seenGeneration: number,
      accessExpiresAt: number,
      idleExpiresAt: number,
      grace: number,
      timeShift: number,
      network: string,
      followingEnds: 0 | 1,
    ): Result<["absent"] | [Exclude<RenewalOutcome["outcome"], "absent">, string], Context>;
    curfewReissue(
      key: string,
      now: number,
      atLeast: number,
      accessExpiresAt: number,
      idleExpiresAt: number,
      timeShift: number,
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

/** Idempotent. ioredis sends a script's text again where Redis has forgotten it. */
export function defineScripts(client: RedisClient): void {
  for (const [name, lua] of Object.entries(scripts)) {
    client.defineCommand(name, { lua, numberOfKeys: 1 });
  }
}

/** The session as a table and as its text, or nil when there is no live one. */
const live = `
local function live(key, now)
  local text = redis.call('GET', key)
  local session = text and cjson.decode(text)
  if session and session.idleExpiresAt > tonumber(now) then return session, text end
end
`;

/** Redis's own time in milliseconds, moved as far as the caller has moved time itself. */
const clock = `
local function clock(shift)
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000 + math.floor(microseconds / 1000) + shift
end
`;

/** stepSession, in Lua; the end of the grace is the caller's to set before the session is kept. */
const step = `
local function step(session, generation, now, accessExpiresAt, idleExpiresAt, network)
  session.generation = generation + 1
  session.renewedAt = tonumber(now)
  session.lastSeenAt = session.renewedAt
  session.idleExpiresAt = math.min(idleExpiresAt, session.absoluteExpiresAt)
  session.accessExpiresAt = math.min(accessExpiresAt, session.idleExpiresAt)
  local networks = {network}
  for known in string.gmatch(session.networks or '', '%S+') do
    if known ~= network and #networks < ${maxNetworks} then networks[#networks + 1] = known end
  end
  session.networks = table.concat(networks, ' ')
end
local function keep(key, session)
  local text = cjson.encode(session)
  redis.call('SET', key, text, 'PXAT', session.idleExpiresAt)
  return text
end
`;

/** isForeignReplay, in Lua. Sessions of earlier versions lack the fields. */
const foreign = `
local function isForeign(session, network)
  if session.foreignReplayGeneration == session.generation or network == '${unknownNetwork}' then return false end
  local known = false
  for one in string.gmatch(session.networks or '', '%S+') do
    if one == network then return false end
    if one ~= '${unknownNetwork}' then known = true end
  end
  return known
end
`;

const scripts = {
  // judgeRenewal and stepSession, said in Lua. Times are printed whole: they have 13 digits of 14.
  // The grace is by Redis's own clock, when it runs this: by whatever node, and however late.
  curfewRenew: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the token, ARGV[3] the one seen
-- ARGV[4] accessExpiresAt, ARGV[5] idleExpiresAt, both before absoluteExpiresAt cuts them
-- ARGV[6] milliseconds of grace, ARGV[7] milliseconds by which the caller has moved time itself
-- ARGV[8] the network that asks, ARGV[9] 1 where following ends the session
${live}${clock}${step}${foreign}
local session, text = live(KEYS[1], ARGV[1])
if not session then return {'absent'} end

local now = clock(ARGV[7])
local presented, seen, current = tonumber(ARGV[2]), tonumber(ARGV[3]), session.generation
if presented < (session.minGeneration or 0) then return {'superseded', text} end
if presented < current then
  local askedBefore = seen < current and presented >= seen - 1
  local inGrace = presented == current - 1 and now < session.graceEndsAt
  if not (askedBefore or inGrace) then return {'reused', text} end
  if not isForeign(session, ARGV[8]) then return {'converged', text} end
  local inARow = session.foreignReplayGeneration == current - 1
  local replays = inARow and (session.foreignReplays or 0) + 1 or 1
  if ARGV[9] == '1' and replays >= ${maxForeignReplays} then return {'reused', text} end
  session.foreignReplays = replays
  session.foreignReplayGeneration = current
  return {'convergedForeign', keep(KEYS[1], session)}
end

step(session, presented, ARGV[1], ARGV[4], ARGV[5], ARGV[8])
session.graceEndsAt = now + ARGV[6]
return {'stepped', keep(KEYS[1], session)}
`,

  // reissueSession, said in Lua.
  curfewReissue: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the caller's token
-- ARGV[3] accessExpiresAt, ARGV[4] idleExpiresAt, both before absoluteExpiresAt cuts them
-- ARGV[5] milliseconds by which the caller has moved time itself, ARGV[6] the network that asks
${live}${clock}${step}
local session = live(KEYS[1], ARGV[1])
if not session then return false end
local generation = math.max(session.generation, tonumber(ARGV[2]))
step(session, generation, ARGV[1], ARGV[3], ARGV[4], ARGV[6])
session.graceEndsAt = clock(ARGV[5])
session.minGeneration = session.generation
return keep(KEYS[1], session)
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
-- A renewal finds it listed, unless a failover lost it.
if redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3]) == 0 then return end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
-- The index lives as long as its last member. GT alone would never set a first expiry: it takes none
-- for an infinite one.
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'NX')
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'GT')
`,
};

/** The scripts that Redis runs, each an atomic step on one key. */
import type { Result } from "ioredis";
import { maxNetworks } from "../../session/session.ts";
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
    ): Result<["absent"] | ["stepped" | "converged" | "reused", string], Context>;
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

const scripts = {
  // judgeRenewal and stepSession, said in Lua. Times are printed whole: they have 13 digits of 14.
  // The grace is by Redis's own clock, when it runs this: by whatever node, and however late.
  curfewRenew: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the token, ARGV[3] the one seen
-- ARGV[4] accessExpiresAt, ARGV[5] idleExpiresAt, both before absoluteExpiresAt cuts them
-- ARGV[6] milliseconds of grace, ARGV[7] milliseconds by which the caller has moved time itself
-- ARGV[8] the network that asks
${live}
local session, text = live(KEYS[1], ARGV[1])
if not session then return {'absent'} end

local seconds, microseconds = unpack(redis.call('TIME'))
local clock = seconds * 1000 + math.floor(microseconds / 1000) + ARGV[7]
local presented, seen, current = tonumber(ARGV[2]), tonumber(ARGV[3]), session.generation
if presented < current then
  local askedBefore = seen < current and presented >= seen - 1
  local inGrace = presented == current - 1 and clock < session.graceEndsAt
  return {(askedBefore or inGrace) and 'converged' or 'reused', text}
end

session.generation = presented + 1
session.renewedAt = tonumber(ARGV[1])
session.lastSeenAt = session.renewedAt
session.idleExpiresAt = math.min(ARGV[5], session.absoluteExpiresAt)
session.accessExpiresAt = math.min(ARGV[4], session.idleExpiresAt)
session.graceEndsAt = clock + ARGV[6]
local networks = {ARGV[8]}
for network in string.gmatch(session.networks or '', '%S+') do
  if network ~= ARGV[8] and #networks < ${maxNetworks} then networks[#networks + 1] = network end
end
session.networks = table.concat(networks, ' ')
local stepped = cjson.encode(session)
redis.call('SET', KEYS[1], stepped, 'PXAT', session.idleExpiresAt)
return {'stepped', stepped}
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

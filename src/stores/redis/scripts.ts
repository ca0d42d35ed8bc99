/** The scripts that Redis runs, each an atomic step on one key. */
import type { Result } from "ioredis";
import type { RedisClient } from "./client.ts";

/** A record as HGETALL gives it to a script: names and values in turn. */
export type FlatRecord = readonly string[];

declare module "ioredis" {
  interface RedisCommander<Context> {
    curfewCreate(
      key: string,
      idleExpiresAt: number,
      ...namesAndValues: (string | number)[]
    ): Result<unknown, Context>;
    curfewRenew(
      key: string,
      now: number,
      generation: number,
      nextGeneration: number,
      seenGeneration: number,
      accessExpiresAt: number,
      idleExpiresAt: number,
      grace: number,
      timeShift: number,
    ): Result<["absent"] | ["stepped" | "converged" | "reused", FlatRecord], Context>;
    curfewTouch(key: string, now: number): Result<unknown, Context>;
    curfewEnd(key: string): Result<FlatRecord, Context>;
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

/** The session as a table and as HGETALL gave it, or nil when there is no live one. */
const live = `
local function live(key, now)
  local record = redis.call('HGETALL', key)
  local session = {}
  for i = 1, #record, 2 do session[record[i]] = record[i + 1] end
  if #record == 0 or tonumber(session.idleExpiresAt) <= tonumber(now) then return nil end
  return session, record
end
`;

const scripts = {
  curfewCreate: `
-- KEYS[1] the record
-- ARGV[1] idleExpiresAt, ARGV[2...] names and values
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIREAT', KEYS[1], ARGV[1])
`,

  // judgeRenewal and stepSession, said in Lua. Times stay strings: Lua would round them in print.
  // The grace is by Redis's own clock, when it runs this: by whatever node, and however late.
  curfewRenew: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the token, ARGV[3] the generation after it, ARGV[4] the one seen
-- ARGV[5] accessExpiresAt, ARGV[6] idleExpiresAt, both before absoluteExpiresAt cuts them
-- ARGV[7] milliseconds of grace, ARGV[8] milliseconds by which the caller has moved time itself
${live}
local session, record = live(KEYS[1], ARGV[1])
if not session then return {'absent'} end

local seconds, microseconds = unpack(redis.call('TIME'))
local clock = seconds * 1000 + math.floor(microseconds / 1000) + ARGV[8]
local presented, seen, current = tonumber(ARGV[2]), tonumber(ARGV[4]), tonumber(session.generation)
if presented < current then
  local askedBefore = seen < current and presented >= seen - 1
  local inGrace = presented == current - 1 and clock < tonumber(session.graceEndsAt)
  return {(askedBefore or inGrace) and 'converged' or 'reused', record}
end

local function earlier(a, b)
  if tonumber(a) < tonumber(b) then return a else return b end
end
local idleExpiresAt = earlier(ARGV[6], session.absoluteExpiresAt)
redis.call('HSET', KEYS[1],
  'generation', ARGV[3], 'renewedAt', ARGV[1], 'lastSeenAt', ARGV[1],
  'accessExpiresAt', earlier(ARGV[5], idleExpiresAt), 'idleExpiresAt', idleExpiresAt,
  'graceEndsAt', string.format('%.0f', clock + ARGV[7]))
local stepped = redis.call('HGETALL', KEYS[1])
redis.call('PEXPIREAT', KEYS[1], idleExpiresAt)
return {'stepped', stepped}
`,

  curfewTouch: `
-- KEYS[1] the record
-- ARGV[1] now
${live}
if live(KEYS[1], ARGV[1]) then redis.call('HSET', KEYS[1], 'lastSeenAt', ARGV[1]) end
`,

  curfewEnd: `
-- KEYS[1] the record
local record = redis.call('HGETALL', KEYS[1])
redis.call('DEL', KEYS[1])
return record
`,

  curfewList: `
-- KEYS[1] the index of a user
-- ARGV[1] now, ARGV[2] absoluteExpiresAt, ARGV[3] fingerprint
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
-- The index lives as long as its last member. GT alone would never set a first expiry: it takes none
-- for an infinite one.
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'NX')
redis.call('PEXPIREAT', KEYS[1], ARGV[2], 'GT')
`,
};

/** The Lua scripts that Redis runs, each an atomic step on one key. */
import type { Result } from "ioredis";
import { unknownNetwork } from "../../lib/client-network.ts";
import { maxForeignReplays } from "../../session/renewal-rules.ts";
import { maxNetworks } from "../../session/session.ts";
import type { RenewalOutcome } from "../../session/store.ts";
import type { RedisClient } from "./client.ts";
import { endReasonOf, live, setRotated } from "./record-in-lua.ts";

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
      message: string,
      channel: string,
    ): Result<
      | ["absent", string | null]
      | [Exclude<RenewalOutcome["outcome"], "absent">, string, published?: number],
      Context
    >;
    curfewReissue(
      key: string,
      now: number,
      atLeast: number,
      accessExpiresAt: number,
      idleExpiresAt: number,
      clockOffset: number,
      network: string,
      securityVersion: number,
      message: string,
      channel: string,
    ): Result<[text: string, published: number] | null, Context>;
    curfewTouch(key: string, now: number): Result<unknown, Context>;
    curfewEnd(...end: EndArguments): Result<[text: string | null, published: number], Context>;
    curfewList(
      key: string,
      now: number,
      absoluteExpiresAt: number,
      fingerprint: string,
    ): Result<unknown, Context>;
  }
}

/** The arguments of the script that ends a session. An empty channel publishes nothing. */
export type EndArguments = readonly [
  key: string,
  endRecord: string,
  /** In milliseconds. */
  recordTtl: number,
  message: string,
  channel: string,
  endsChannel: string,
];

/** Idempotent. ioredis sends a script's text again if Redis has forgotten it. */
export function defineScripts(client: RedisClient): void {
  for (const [name, lua] of Object.entries(scripts)) {
    client.defineCommand(name, { lua, numberOfKeys: 1 });
  }
}

/** Redis's own time in milliseconds, plus the caller's offset. */
const clock = `
local function clock(offset)
  local seconds, microseconds = unpack(redis.call('TIME'))
  return seconds * 1000 + math.floor(microseconds / 1000) + offset
end
`;

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
  local text = encode(session)
  redis.call('SET', key, text, 'PXAT', string.format('%.0f', session.idleExpiresAt))
  return text
end
`;

/**
 * Publishes the change in the step that makes it, so that no node can die between the two. The message is a JSON
 * object, to which this adds the record as it is stored. An empty channel publishes nothing. Returns 1 if it was
 * published: if Redis refuses that, the change is made all the same, and the caller publishes.
 */
const publish = `
local function publish(channel, message, text)
  if channel == '' then return 0 end
  if text then message = string.sub(message, 1, -2) .. ',"session":' .. text .. '}' end
  return type(redis.pcall('PUBLISH', channel, message)) == 'number' and 1 or 0
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

/** Always writes, so that the replicas have something to acknowledge. */
export const endScript = `
-- KEYS[1] the record
-- ARGV[1] the record of the end, ARGV[2] milliseconds to keep it
-- ARGV[3] the message, ARGV[4] the channel of the session, ARGV[5] the channel of all ends
${endReasonOf}${publish}
local text = redis.call('GET', KEYS[1])
if endReasonOf(text) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return {false, 1}
end
-- Redis refuses SET when it is out of memory, but not DEL.
if redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]).err then redis.call('DEL', KEYS[1]) end
local published = publish(ARGV[5], ARGV[3])
if text then published = math.min(published, publish(ARGV[4], ARGV[3], text)) end
return {text, published}
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
-- ARGV[10] the message, ARGV[11] the channel of the session
${live}${clock}${rotate}${publish}${luaIsForeignReplay}
local session, text = live(KEYS[1], ARGV[1])
if not session then return {'absent', text or false} end

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
local stored = store(KEYS[1], session)
return {'rotated', stored, publish(ARGV[11], ARGV[10], stored)}
`,

  // `reissueSession` in Lua.
  curfewReissue: `
-- KEYS[1] the record
-- ARGV[1] now, ARGV[2] generation of the caller's token
-- ARGV[3] accessExpiresAt, ARGV[4] idleExpiresAt, neither limited by absoluteExpiresAt yet
-- ARGV[5] offset of the caller's clock in milliseconds, ARGV[6] the client's network
-- ARGV[7] the user's security version, ARGV[8] the message, ARGV[9] the channel of the session
${live}${clock}${rotate}${publish}
local session = live(KEYS[1], ARGV[1])
if not session then return false end
local generation = math.max(session.generation, tonumber(ARGV[2]))
rotate(session, generation, ARGV[1], ARGV[3], ARGV[4], ARGV[6])
session.graceEndsAt = clock(ARGV[5])
session.minGeneration = session.generation
session.securityVersion = math.max(session.securityVersion, tonumber(ARGV[7]))
local stored = store(KEYS[1], session)
return {stored, publish(ARGV[9], ARGV[8], stored)}
`,

  curfewTouch: `
-- KEYS[1] the record
-- ARGV[1] now
${live}
local session = live(KEYS[1], ARGV[1])
if not session then return end
session.lastSeenAt = tonumber(ARGV[1])
redis.call('SET', KEYS[1], encode(session), 'KEEPTTL')
`,

  curfewEnd: endScript,

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

/** Lua that reads and writes the records of sessions, for the scripts. */
import { laterFields, type Session } from "../../session/session.ts";

/**
 * How the scripts treat each field of a session. They change `number` and `text` fields; `rotated` is the new
 * value in `rotateSession`. All other members of a record stay as they are, byte for byte: a later version may
 * have written some that this one does not know, and cjson would change them.
 */
const fields = {
  fingerprint: "kept",
  userId: "kept",
  generation: { type: "number", rotated: "generation + 1" },
  createdAt: "kept",
  renewedAt: { type: "number", rotated: "tonumber(now)" },
  lastSeenAt: { type: "number", rotated: "tonumber(now)" },
  accessExpiresAt: { type: "number", rotated: "math.min(accessExpiresAt, idleEnd)" },
  idleExpiresAt: { type: "number", rotated: "idleEnd" },
  absoluteExpiresAt: { type: "number" },
  // Set by the scripts.
  graceEndsAt: { type: "number" },
  minGeneration: { type: "number" },
  networks: { type: "text", rotated: "addNetwork(session.networks, network)" },
  foreignReplays: { type: "number" },
  foreignReplayGeneration: { type: "number" },
  securityVersion: { type: "number" },
  userAgent: "kept",
  ipAddress: "kept",
} as const satisfies Record<
  keyof Session,
  "kept" | { readonly type: "number" | "text"; readonly rotated?: string }
>;

const changed = Object.entries(fields).flatMap(([name, field]) =>
  field === "kept" ? [] : [{ name: name as keyof Session, rotated: undefined, ...field }],
);

export const setRotated = changed
  .filter(({ rotated }) => rotated !== undefined)
  .map(({ name, rotated }) => `  session.${name} = ${rotated}`)
  .join("\n");

/** The Lua table of the fields that the scripts change, with the values that records of earlier versions lack. */
const luaFields = changed
  .map(({ name, type }) => {
    const missing = laterFields[name];
    const text = missing === undefined ? "nil" : `'${JSON.stringify(missing)}'`;
    return `  {name = '${name}', type = '${type}', missing = ${text}},`;
  })
  .join("\n");

/** Far more than a later version needs. Very many members would hold up Redis. */
const maxMembers = 1_000;

/** Reads a record as its members' texts, and writes it with the changed ones replaced. */
const record = `
local fields = {
${luaFields}
}
-- The position after the string that begins there.
local function afterString(text, at)
  repeat
    at = string.find(text, '["\\\\]', at + 1)
    if string.byte(text, at) == 34 then return at + 1 end
    at = at + 1
  until false
end
-- The position of the comma or brace that ends the value.
local function afterValue(text, at)
  local depth = 0
  repeat
    local found, _, mark = string.find(text, '([%[%]{}",])', at)
    at = found + 1
    if mark == '"' then at = afterString(text, found)
    elseif mark == '[' or mark == '{' then depth = depth + 1
    elseif depth == 0 then return found
    elseif mark ~= ',' then depth = depth - 1 end
  until false
end
local function membersOf(text)
  local names, values = {}, {}
  local at = string.find(text, '{', 1, true)
  repeat
    local from = string.find(text, '"', at + 1, true)
    local to = afterString(text, from)
    local name = string.sub(text, from + 1, to - 2)
    from = string.match(text, '^%s*:%s*()', to)
    at = afterValue(text, from)
    names[#names + 1] = name
    if #names > ${maxMembers} then error('the record is not understood') end
    values[name] = string.sub(text, from, at - 1)
  until string.byte(text, at) == 125
  return names, values
end
local function decode(text)
  local names, values = membersOf(text)
  local session = {names = names, values = values}
  for _, field in ipairs(fields) do
    local value = values[field.name] or field.missing
    if field.type == 'number' then session[field.name] = tonumber(value)
    else session[field.name] = string.match(value, '^"([^"\\\\]*)"') end
    if not session[field.name] then error('the record is not understood') end
  end
  return session
end
local function encode(session)
  local names, values = session.names, session.values
  for _, field in ipairs(fields) do
    if not values[field.name] then names[#names + 1] = field.name end
    local value = session[field.name]
    values[field.name] = field.type == 'number' and string.format('%.0f', value) or '"' .. value .. '"'
  end
  local members = {}
  for i, name in ipairs(names) do members[i] = '"' .. name .. '":' .. values[name] end
  return '{' .. table.concat(members, ',') .. '}'
end
`;

/** The reason of an end if the text is that of `encodeEnd`, which takes the place of the record. */
export const endReasonOf = `
local function endReasonOf(text)
  return string.match(text or '', '^{"idleExpiresAt":0,"endReason":"([A-Z_]+)"}$')
end
`;

/** The session as a table and as its text, or nil and the reason of its end if there is no live one. */
export const live = `${record}${endReasonOf}
local function live(key, now)
  local text = redis.call('GET', key)
  if not text then return end
  local endReason = endReasonOf(text)
  if endReason then return nil, endReason end
  local session = decode(text)
  if session.idleExpiresAt > tonumber(now) then return session, text end
end
`;

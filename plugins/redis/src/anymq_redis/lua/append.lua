-- Append records. One reply each: the position, "" where there are several partitions, or "!" and a
-- reason.
-- KEYS: the Streams' names, then the appender's marker. ARGV[1]: nothing; ARGV[2]: the call's number.
-- Then for each record name's index, partition, n, and n strings: field, value, field, value ...
-- The marker keeps the number, and the places of what was refused, for the case that nobody hears.
local marker = KEYS[#KEYS]
local before = redis.call('SET', marker, ARGV[2], 'EX', 600, 'GET')
if before and tonumber(string.match(before, '^%d+')) >= tonumber(ARGV[2]) then
  redis.call('SET', marker, before, 'EX', 600)
  return redis.error_reply('FENCED a later connection of this appender was there first')
end
local specs = {}

local function spec(name)
  if specs[name] == nil then
    local found = redis.call('HMGET', '{' .. name .. '}:log:meta',
      'partitions', 'max_records', 'max_age_ms')
    specs[name] = {
      partitions = tonumber(found[1]),
      max_records = found[2] and found[2] ~= '' and found[2],
      max_age_ms = tonumber(found[3] or ''),
    }
  end
  return specs[name]
end

local function append(name, partition, first, last)
  local found = spec(name)
  if not found.partitions then return '!no topic' end
  local p = tonumber(partition) % found.partitions
  local stream = '{' .. name .. '}:log' .. (p == 0 and '' or '#' .. p)
  local id
  if found.max_records then
    id = redis.pcall('XADD', stream, 'MAXLEN', '~', found.max_records, '*', unpack(ARGV, first, last))
  else
    id = redis.pcall('XADD', stream, '*', unpack(ARGV, first, last))
  end
  if type(id) == 'table' then return '!' .. (id.err or 'error') end
  if found.max_age_ms then
    local now = tonumber(string.match(id, '^%d+'))
    redis.call('XTRIM', stream, 'MINID', '~', string.format('%.0f-0', now - found.max_age_ms))
  end
  return found.partitions == 1 and id or ''
end

local replies, refused, at = {}, {}, 3
while at <= #ARGV do
  local n = tonumber(ARGV[at + 2])
  local reply = append(KEYS[tonumber(ARGV[at])], ARGV[at + 1], at + 3, at + 2 + n)
  replies[#replies + 1] = reply
  if string.byte(reply) == 33 then refused[#refused + 1] = #replies - 1 end
  at = at + 3 + n
end
if #refused > 0 then
  redis.call('SET', marker, ARGV[2] .. ':' .. table.concat(refused, ','), 'EX', 600)
end
return replies

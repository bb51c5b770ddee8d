-- Append records. One reply each: the position, "" where there are several partitions, or "!" and a
-- reason.
-- KEYS: the Streams' names. ARGV: for each record name's index, partition, n, and n strings: field,
-- value, field, value ...
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

local replies, at = {}, 1
while at <= #ARGV do
  local n = tonumber(ARGV[at + 2])
  replies[#replies + 1] = append(KEYS[tonumber(ARGV[at])], ARGV[at + 1], at + 3, at + 2 + n)
  at = at + 3 + n
end
return replies

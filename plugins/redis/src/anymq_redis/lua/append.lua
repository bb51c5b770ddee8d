-- Append records. One reply each: the position, "" where there are several partitions, or "!" and a
-- reason.
-- KEYS: the Streams' names, then the appender's marker. ARGV[1]: nothing; ARGV[2]: the call's number.
-- Then for each record name's index, partition, n, and n strings: field, value, field, value ...
-- The marker keeps the number, and the places of what was refused, for the case that nobody hears.
-- An entry's id is the moment in ms and, after the dash, which record of its partition it is: so a
-- reader can tell how many it missed.
local marker = KEYS[#KEYS]
local before = redis.call('SET', marker, ARGV[2], 'EX', 600, 'GET')
if before and tonumber(string.match(before, '^%d+')) >= tonumber(ARGV[2]) then
  redis.call('SET', marker, before, 'EX', 600)
  return redis.error_reply('FENCED a later connection of this appender was there first')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local specs, logs = {}, {}

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

local function last_of(id)
  local ms, count = string.match(id or '', '(%d+)-(%d+)')
  return tonumber(ms or 0), tonumber(count or 0)
end

local function log_of(name, p)
  local stream = '{' .. name .. '}:log' .. (p == 0 and '' or '#' .. p)
  if logs[stream] == nil then
    local meta, field = '{' .. name .. '}:log:meta', 'last#' .. p
    local ms, count = last_of(redis.call('HGET', meta, field))
    logs[stream] = {stream = stream, meta = meta, field = field, ms = ms, count = count}
  end
  return logs[stream]
end

local function add(log, limit, first, last)
  -- The clock may have been set back: ids only grow.
  log.ms, log.count = math.max(log.ms, now), log.count + 1
  log.id = string.format('%.0f-%.0f', log.ms, log.count)
  if not limit then return redis.pcall('XADD', log.stream, log.id, unpack(ARGV, first, last)) end
  return redis.pcall('XADD', log.stream, 'MAXLEN', '~', limit, log.id, unpack(ARGV, first, last))
end

local function append(name, partition, first, last)
  local found = spec(name)
  if not found.partitions then return '!no topic' end
  local log = log_of(name, tonumber(partition) % found.partitions)
  local id = add(log, found.max_records, first, last)
  if type(id) == 'table' and string.find(id.err or '', 'equal or smaller', 1, true) then
    -- Somebody else has added to it.
    local info = redis.call('XINFO', 'STREAM', log.stream)
    for i = 1, #info, 2 do
      if info[i] == 'last-generated-id' then
        local ms, count = last_of(info[i + 1])
        log.ms, log.count = ms, math.max(log.count - 1, count)
      end
    end
    id = add(log, found.max_records, first, last)
  end
  if type(id) == 'table' then
    log.count = log.count - 1
    return '!' .. (id.err or 'error')
  end
  if found.max_age_ms then
    local oldest = string.format('%.0f-0', log.ms - found.max_age_ms)
    redis.call('XTRIM', log.stream, 'MINID', '~', oldest)
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
for _, log in pairs(logs) do
  redis.call('HSET', log.meta, log.field, string.format('%.0f-%.0f', log.ms, log.count))
end
if #refused > 0 then
  redis.call('SET', marker, ARGV[2] .. ':' .. table.concat(refused, ','), 'EX', 600)
end
return replies

-- Store messages. One reply each: the position, "" for a delayed one, or "!" and a reason.
-- KEYS: the topics, then the sender's marker. ARGV[1]: "1" for all or none; ARGV[2]: the call's
-- number. Then for each message: topic's index, partition, group or "", lane, due moment in ms or "",
-- n, and n strings: field, value, field, value ...
-- The marker keeps the number, and the places of what was refused, for the case that nobody hears.
local marker = KEYS[#KEYS]
local before = redis.call('SET', marker, ARGV[2], 'EX', 600, 'GET')
if before and tonumber(string.match(before, '^%d+')) >= tonumber(ARGV[2]) then
  redis.call('SET', marker, before, 'EX', 600)
  return redis.error_reply('FENCED a later connection of this sender was there first')
end
local topics, groups = {}, {}

local function partitions(topic)
  if topics[topic] == nil then
    topics[topic] = tonumber(redis.call('HGET', '{' .. topic .. '}:meta', 'partitions')) or 0
  end
  return topics[topic]
end

local function has_group(topic, group)
  local address = topic .. '.' .. group
  if groups[address] == nil then
    groups[address] = redis.call('SISMEMBER', '{' .. topic .. '}:groups', group) == 1
  end
  return groups[address]
end

local function refusal(topic, group)
  if partitions(topic) == 0 then return '!no topic' end
  if group ~= '' and not has_group(topic, group) then return '!no group' end
  return nil
end

local function add(stream, label, first, last)
  local id = redis.pcall('XADD', stream, '*', unpack(ARGV, first, last))
  return type(id) == 'table' and id or label .. id
end

local function store(topic, partition, group, lane, due, first, last)
  local companion = '{' .. topic .. '}.' .. group
  if group ~= '' and lane == 'dead' then
    return add(companion .. '.dead', '', first, last)
  end
  if due ~= '' then
    local delayed = group == '' and '{' .. topic .. '}:delayed' or companion .. '.delayed'
    local packed = cmsgpack.pack({partition, unpack(ARGV, first, last)})
    local stored = redis.pcall('ZADD', delayed, due, packed)
    return type(stored) == 'table' and stored or ''
  end
  local n = partitions(topic)
  local p = tonumber(partition) % n
  if group ~= '' then
    if p == 0 then return add(companion .. '.retry', 'retry:', first, last) end
    return add(companion .. '.retry#' .. p, 'retry:' .. p .. ':', first, last)
  end
  if n == 1 then return add(topic, '', first, last) end
  return add('{' .. topic .. '}#' .. p, p .. ':', first, last)
end

local function each(visit)
  local replies, refused, at = {}, {}, 3
  while at <= #ARGV do
    local n = tonumber(ARGV[at + 5])
    local topic = KEYS[tonumber(ARGV[at])]
    local reply = visit(topic, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4],
      at + 6, at + 5 + n)
    if type(reply) == 'table' then reply = '!' .. (reply.err or 'error') end
    replies[#replies + 1] = reply or ''
    if reply and string.byte(reply) == 33 then refused[#refused + 1] = #replies - 1 end
    at = at + 6 + n
  end
  if #refused > 0 then
    redis.call('SET', marker, ARGV[2] .. ':' .. table.concat(refused, ','), 'EX', 600)
  end
  return replies
end

if ARGV[1] == '1' then
  local checks = each(function(topic, _, group) return refusal(topic, group) end)
  for _, check in ipairs(checks) do
    if check ~= '' then
      local places = {}
      for i = 1, #checks do
        checks[i] = check
        places[i] = i - 1
      end
      redis.call('SET', marker, ARGV[2] .. ':' .. table.concat(places, ','), 'EX', 600)
      return checks
    end
  end
end
return each(function(topic, partition, group, lane, due, first, last)
  return refusal(topic, group) or store(topic, partition, group, lane, due, first, last)
end)

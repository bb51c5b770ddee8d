-- Create a topic and its groups where they are missing.
-- KEYS: topic, meta, groups. ARGV: partitions or "" to leave the topic as it is, retention in ms
-- or "", "1" where a group that is missing was lost, so that it begins with what is there, then
-- group names. Reply: "" or what is wrong.
local topic = KEYS[1]
local found = redis.call('HGET', KEYS[2], 'partitions')
if not found then
  if ARGV[1] == '' then return 'missing' end
  redis.call('HSET', KEYS[2], 'partitions', ARGV[1])
  found = ARGV[1]
end
if ARGV[1] ~= '' then
  if found ~= ARGV[1] then return 'partitions ' .. found end
  if ARGV[2] ~= '' then redis.call('HSET', KEYS[2], 'retention_ms', ARGV[2]) end
end

local function create(stream, group, start)
  local made = redis.pcall('XGROUP', 'CREATE', stream, group, start, 'MKSTREAM')
  if made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made.err end
  return nil
end

local n = tonumber(found)
for i = 4, #ARGV do
  local group = ARGV[i]
  -- A group that was declared before and whose stream is gone has lost data, not its place.
  local was_there = ARGV[3] == '1' or redis.call('SISMEMBER', KEYS[3], group) == 1
  local start = was_there and '0' or '$'
  for p = 0, n - 1 do
    local stream = n == 1 and topic or '{' .. topic .. '}#' .. p
    local wrong = create(stream, group, start)
    local retry = '{' .. topic .. '}.' .. group .. '.retry' .. (p == 0 and '' or '#' .. p)
    wrong = wrong or create(retry, group, '0')
    if wrong then return wrong end
  end
  redis.call('SADD', KEYS[3], group)
end
return ''

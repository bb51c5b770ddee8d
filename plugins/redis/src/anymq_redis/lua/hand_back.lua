-- Give deliveries back in their place, uncounted: the owner of the partition claims them again.
-- Reply: the ids that were not this consumer's. KEYS: stream. ARGV: group, consumer, then ids; with
-- no ids everything that the consumer holds, and then it leaves the group.
local group, consumer = ARGV[1], ARGV[2]

local function pending(first, last, limit)
  local found = redis.pcall('XPENDING', KEYS[1], group, first, last, limit, consumer)
  if found.err then return {} end
  return found
end

local function hand_back(entry)
  redis.call('XCLAIM', KEYS[1], group, 'anymq:returned', 0, entry[1],
    'IDLE', 86400000, 'RETRYCOUNT', entry[4] - 1, 'JUSTID')
end

if #ARGV == 2 then
  for _, entry in ipairs(pending('-', '+', 100000)) do hand_back(entry) end
  redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer)
  return {}
end
local stale = {}
for i = 3, #ARGV do
  local found = pending(ARGV[i], ARGV[i], 1)[1]
  if found then hand_back(found) else stale[#stale + 1] = ARGV[i] end
end
return stale

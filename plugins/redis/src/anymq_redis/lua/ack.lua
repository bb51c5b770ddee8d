-- Acknowledge what is this consumer's. Reply: the ids that are not.
-- KEYS: stream. ARGV: group, consumer, "1" to delete the entries too, then ids.
local group, consumer = ARGV[1], ARGV[2]
local mine, stale = {}, {}
local count = #ARGV - 3

local function list(first, last, limit)
  local pending = redis.pcall('XPENDING', KEYS[1], group, first, last, limit, consumer)
  if pending.err then return {} end
  return pending
end

if count > 8 then
  -- One look at all that the consumer holds is cheaper than one for each id.
  for _, entry in ipairs(list('-', '+', 100000)) do mine[entry[1]] = true end
else
  for i = 4, #ARGV do mine[ARGV[i]] = #list(ARGV[i], ARGV[i], 1) == 1 end
end

local ids = {}
for i = 4, #ARGV do
  if mine[ARGV[i]] then ids[#ids + 1] = ARGV[i] else stale[#stale + 1] = ARGV[i] end
end
for first = 1, #ids, 1000 do
  local last = math.min(first + 999, #ids)
  redis.call('XACK', KEYS[1], group, unpack(ids, first, last))
  if ARGV[3] == '1' then redis.call('XDEL', KEYS[1], unpack(ids, first, last)) end
end
return stale

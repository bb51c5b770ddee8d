-- Move what is due from the sorted sets to the streams.
-- KEYS: topic, meta, topic's delayed, group's delayed, group's retry. ARGV: now in ms, limit.
-- Reply: the moment in ms of what is due next, or "".
local function take(key)
  local due = redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
  for _, packed in ipairs(due) do redis.call('ZREM', key, packed) end
  return due
end

local n
local function add(packed, first, others)
  n = n or tonumber(redis.call('HGET', KEYS[2], 'partitions')) or 1
  local entry = cmsgpack.unpack(packed)
  local p = tonumber(entry[1]) % n
  redis.call('XADD', others(p) or first, '*', unpack(entry, 2, #entry))
end

for _, packed in ipairs(take(KEYS[4])) do
  add(packed, KEYS[5], function(p) return p > 0 and KEYS[5] .. '#' .. p end)
end
for _, packed in ipairs(take(KEYS[3])) do
  add(packed, KEYS[1], function(p) return n > 1 and '{' .. KEYS[1] .. '}#' .. p end)
end

local soonest
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] and (not soonest or tonumber(head[2]) < tonumber(soonest)) then soonest = head[2] end
end
return soonest or ''

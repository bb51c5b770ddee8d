-- Move what is due from the sorted sets to the streams.
-- KEYS: topic, meta, topic's delayed, group's delayed, group's retry. ARGV: now in ms, limit.
-- Reply: the moment in ms of what is due next, or "".
local function take(key)
  local due = redis.call('ZRANGEBYSCORE', key, '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
  for _, packed in ipairs(due) do redis.call('ZREM', key, packed) end
  return due
end

for _, packed in ipairs(take(KEYS[4])) do
  local entry = cmsgpack.unpack(packed)
  redis.call('XADD', KEYS[5], '*', unpack(entry, 2, #entry))
end
local n
for _, packed in ipairs(take(KEYS[3])) do
  n = n or tonumber(redis.call('HGET', KEYS[2], 'partitions')) or 1
  local entry = cmsgpack.unpack(packed)
  local stream = n == 1 and KEYS[1] or '{' .. KEYS[1] .. '}#' .. (tonumber(entry[1]) % n)
  redis.call('XADD', stream, '*', unpack(entry, 2, #entry))
end

local soonest
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] and (not soonest or tonumber(head[2]) < tonumber(soonest)) then soonest = head[2] end
end
return soonest or ''

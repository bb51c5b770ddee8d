-- Leave: others may own its partitions at once. KEYS: members, owners. ARGV: consumer.
local found = redis.call('HGETALL', KEYS[2])
for i = 1, #found, 2 do
  if found[i + 1] == ARGV[1] then redis.call('HDEL', KEYS[2], found[i]) end
end
return redis.call('HDEL', KEYS[1], ARGV[1])

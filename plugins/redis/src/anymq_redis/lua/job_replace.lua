-- Compare and set: 1, or 0 where the version is another one, or the state a terminal one. Whoever
-- watches the job is told. KEYS: job, its watchers (set of lists). ARGV: expected version, job's id,
-- how long a list is kept (ms), expires_at (ms, "" for never), then fields and values.
local found = redis.call('HMGET', KEYS[1], 'version', 'state')
local state = found[2]
if found[1] ~= ARGV[1] or state == 'succeeded' or state == 'failed' or state == 'revoked'
    or state == 'expired' then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
if ARGV[4] ~= '' then
  redis.call('PEXPIREAT', KEYS[1], ARGV[4])
end
for _, list in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  redis.call('RPUSH', list, ARGV[2])
  redis.call('PEXPIRE', list, ARGV[3])
end
return 1

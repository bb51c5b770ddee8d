-- A new job: 1, or 0 where there is one. KEYS: job. ARGV: expires_at (ms, "" for never), then
-- fields and values.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
if ARGV[1] ~= '' then
  redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
return 1

-- Keep a new message in place of a delivery, if that is this consumer's. Reply: 1 done, 0 stale.
-- KEYS: the delivery's stream, where the new message goes. ARGV: group, consumer, id, "1" to delete
-- the entry too, partition, due moment in ms or "" for a stream, then field, value, field, value ...
local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])
if pending.err or #pending == 0 then return 0 end
-- First, for a server whose memory is full refuses what a script would begin by adding.
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
if ARGV[6] == '' then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 7))
else
  redis.call('ZADD', KEYS[2], ARGV[6], cmsgpack.pack({ARGV[5], unpack(ARGV, 7)}))
end
if ARGV[4] == '1' then redis.call('XDEL', KEYS[1], ARGV[3]) end
return 1

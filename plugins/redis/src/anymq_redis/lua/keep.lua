-- Begin the leases of deliveries anew. Reply: the ids that are no longer this consumer's.
-- KEYS: stream. ARGV: group, consumer, then ids.
local group, consumer, lost = ARGV[1], ARGV[2], {}
for i = 3, #ARGV do
  local id = ARGV[i]
  local mine = redis.pcall('XPENDING', KEYS[1], group, id, id, 1, consumer)
  local kept = not mine.err and mine[1]
    and redis.call('XCLAIM', KEYS[1], group, consumer, 0, id, 'JUSTID')[1]
  if not kept then lost[#lost + 1] = id end
end
return lost

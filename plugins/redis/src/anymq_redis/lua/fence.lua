-- Refuse whatever an old connection of this sender may still bring, and tell what was carried out.
-- KEYS: sender's marker. ARGV: number of the last call that was sent. Reply: the marker before.
local before = redis.call('GET', KEYS[1])
local done = before and tonumber(string.match(before, '^%d+')) or -1
if tonumber(ARGV[1]) > done then redis.call('SET', KEYS[1], ARGV[1], 'EX', 600) end
return before or ''

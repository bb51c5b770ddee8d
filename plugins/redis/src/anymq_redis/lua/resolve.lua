-- Remove dead letters, unless another operator holds them. Reply: how many were there, or -1.
-- KEYS: dead, admin. ARGV: this operator, then ids.
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return -1 end
local removed = 0
for i = 2, #ARGV do removed = removed + redis.call('XDEL', KEYS[1], ARGV[i]) end
return removed

-- Delete a group with all it has. Reply: 0, or how many members it has (and nothing is done).
-- KEYS: groups, dead, delayed, admin, the main streams, then as many private ones. ARGV: group,
-- idle ms of a consumer that counts as gone.
local group, last = ARGV[1], 4 + (#KEYS - 4) / 2
local members = 0
for i = 5, last do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], group)
  for _, info in ipairs(consumers) do
    if info[2] ~= 'anymq:returned' and info[6] < tonumber(ARGV[2]) then members = members + 1 end
  end
end
if members > 0 then return members end
for i = 5, last do redis.pcall('XGROUP', 'DESTROY', KEYS[i], group) end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], unpack(KEYS, last + 1))
redis.call('SREM', KEYS[1], group)
return 0

-- Delete a group with all it has. Reply: 0, or how many members it has (and nothing is done).
-- KEYS: groups, retry, dead, delayed, admin, then the main streams. ARGV: group, idle ms of a
-- consumer that counts as gone.
local group = ARGV[1]
local members = 0
for i = 6, #KEYS do
  local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[i], group)
  for _, info in ipairs(consumers) do
    if info[6] < tonumber(ARGV[2]) then members = members + 1 end
  end
end
if members > 0 then return members end
for i = 6, #KEYS do redis.pcall('XGROUP', 'DESTROY', KEYS[i], group) end
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
redis.call('SREM', KEYS[1], group)
return 0

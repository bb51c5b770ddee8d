-- Move a group's position, in no partition back. KEYS: commits. ARGV: group, then one id each.
local function older(a, b)
  local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_seq) < tonumber(b_seq)
end

for i = 2, #ARGV do
  local field = ARGV[1] .. '#' .. (i - 2)
  local stored = redis.call('HGET', KEYS[1], field)
  if not stored or older(stored, ARGV[i]) then redis.call('HSET', KEYS[1], field, ARGV[i]) end
end
return 1

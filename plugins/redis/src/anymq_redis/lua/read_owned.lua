-- Take deliveries of a partition, in their order, where it is owned: first what somebody left, then
-- what is new.
-- KEYS: stream, owners. ARGV: group, consumer, partition, how many at most, "1" where something may
-- have been left, then the ids that the consumer knows that it holds.
-- Reply: nothing where it is not owned; else entries {id, fields, deliveries}, without the number
-- where they are new; "1" where nothing is left; and, where nothing was found, the last id delivered.
local group, consumer, room = ARGV[1], ARGV[2], tonumber(ARGV[4])
if redis.call('HGET', KEYS[2], ARGV[3]) ~= consumer then return false end
local found, known, page = {}, {}, 200

local function claim_left()
  local from = '-'
  while true do
    local pending = redis.call('XPENDING', KEYS[1], group, from, '+', page)
    for _, entry in ipairs(pending) do
      if not known[entry[1]] then
        if #found == room then return '' end
        -- Nothing comes back for an entry that somebody deleted: it is no longer pending then.
        local got = redis.call('XCLAIM', KEYS[1], group, consumer, 0, entry[1])[1]
        if got then found[#found + 1] = {got[1], got[2], entry[4] + 1} end
      end
    end
    if #pending < page then return '1' end
    from = '(' .. pending[page][1]
  end
end

local is_clean = '1'
if ARGV[5] == '1' then
  for i = 6, #ARGV do known[ARGV[i]] = true end
  is_clean = claim_left()
end
if is_clean == '1' and #found < room then
  local new = redis.call(
    'XREADGROUP', 'GROUP', group, consumer, 'COUNT', room - #found, 'STREAMS', KEYS[1], '>')
  for _, entry in ipairs(new and new[1][2] or {}) do found[#found + 1] = entry end
end
if #found > 0 then return {found, is_clean, ''} end
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  if info[2] == group then return {found, is_clean, info[8]} end
end

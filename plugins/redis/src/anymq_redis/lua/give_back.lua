-- Give deliveries back to the group at once, uncounted: as new entries of its private stream, which
-- wakes whoever waits. Reply: the ids that were not this consumer's.
-- KEYS: stream, group's retry. ARGV: group, consumer, "1" to delete the entries too, what makes an id
-- a position, then ids; with no ids everything that the consumer holds, and then it leaves the group.
local group, consumer = ARGV[1], ARGV[2]

local function pending(first, last, limit)
  local found = redis.pcall('XPENDING', KEYS[1], group, first, last, limit, consumer)
  if found.err then return {} end
  return found
end

local function give_back(id, deliveries)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  -- First, for a server whose memory is full refuses what a script would begin by adding.
  redis.call('XACK', KEYS[1], group, id)
  if entry then
    local fields, before, has_id = {}, 0, false
    for i = 1, #entry[2], 2 do
      if entry[2][i] == 'anymq-returned' then
        before = tonumber(entry[2][i + 1]) or 0
      else
        has_id = has_id or entry[2][i] == 'anymq-id'
        fields[#fields + 1] = entry[2][i]
        fields[#fields + 1] = entry[2][i + 1]
      end
    end
    if not has_id then
      -- A foreign client's message is known by where it first stood.
      fields[#fields + 1] = 'anymq-id'
      fields[#fields + 1] = ARGV[4] .. id
    end
    fields[#fields + 1] = 'anymq-returned'
    fields[#fields + 1] = before + deliveries - 1
    redis.call('XADD', KEYS[2], '*', unpack(fields))
  end
  if ARGV[3] == '1' then redis.call('XDEL', KEYS[1], id) end
end

if #ARGV == 4 then
  for _, entry in ipairs(pending('-', '+', 100000)) do give_back(entry[1], entry[4]) end
  redis.pcall('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer)
  return {}
end
local stale = {}
for i = 5, #ARGV do
  local found = pending(ARGV[i], ARGV[i], 1)[1]
  if found then give_back(ARGV[i], found[4]) else stale[#stale + 1] = ARGV[i] end
end
return stale

-- Take deliveries whose consumers have not kept them; forget consumers that are long gone.
-- KEYS: stream. ARGV: group, consumer, lease in ms, how many at most, idle ms of a gone consumer.
-- Reply: entries {id, fields, deliveries}, this delivery included.
local group, consumer, room = ARGV[1], ARGV[2], tonumber(ARGV[4])
local taken = {}
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  local name, held, idle = info[2], info[4], info[6]
  if name ~= consumer and held == 0 and idle > tonumber(ARGV[5]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, name)
  elseif name ~= consumer and held > 0 and room > #taken then
    local pending = redis.call(
      'XPENDING', KEYS[1], group, 'IDLE', ARGV[3], '-', '+', room - #taken, name)
    for _, entry in ipairs(pending) do
      -- Nothing comes back for an entry that somebody deleted: it is no longer pending then.
      local got = redis.call('XCLAIM', KEYS[1], group, consumer, ARGV[3], entry[1])[1]
      if got then taken[#taken + 1] = {got[1], got[2], entry[4] + 1} end
    end
  end
end
return taken

-- Find out what this consumer really holds, after a reply of the server was lost.
-- KEYS: stream. ARGV: group, consumer, then the ids that it knows of.
-- Reply: {entries {id, fields, deliveries} that it did not know of, ids that it holds no longer}.
local group, consumer = ARGV[1], ARGV[2]
local known, unknown, lost = {}, {}, {}
for i = 3, #ARGV do known[ARGV[i]] = true end
for _, entry in ipairs(redis.call('XPENDING', KEYS[1], group, '-', '+', 100000, consumer)) do
  if known[entry[1]] then
    known[entry[1]] = nil
  else
    local got = redis.call('XCLAIM', KEYS[1], group, consumer, 0, entry[1])[1]
    if got then unknown[#unknown + 1] = {got[1], got[2], entry[4] + 1} end
  end
end
for id in pairs(known) do lost[#lost + 1] = id end
return {unknown, lost}

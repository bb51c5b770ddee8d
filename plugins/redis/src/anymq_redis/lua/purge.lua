-- Drop what waits for a group: neither what is in flight nor what is dead. Reply: how many.
-- KEYS: group's delayed, the main streams, then as many private ones. ARGV: group.
local group, page = ARGV[1], 1000

local function last_delivered(stream)
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if info[2] == group then return info[8] end
  end
  return nil
end

local function each_waiting(stream, visit)
  local last, count = last_delivered(stream), 0
  while last do
    local entries = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', page)
    for _, entry in ipairs(entries) do visit(entry[1]) end
    count = count + #entries
    last = #entries == page and entries[page][1] or nil
  end
  return count
end

local dropped, n = redis.call('ZCARD', KEYS[1]), (#KEYS - 1) / 2
redis.call('DEL', KEYS[1])
for i = 2, n + 1 do
  dropped = dropped + each_waiting(KEYS[i], function() end)
  redis.call('XGROUP', 'SETID', KEYS[i], group, '$')
end
for i = n + 2, #KEYS do
  dropped = dropped + each_waiting(KEYS[i], function(id) redis.call('XDEL', KEYS[i], id) end)
end
return dropped

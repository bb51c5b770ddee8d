-- Drop what waits for a group: neither what is in flight nor what is dead. Reply: how many.
-- KEYS: group's retry, group's delayed, then the main streams. ARGV: group.
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

local dropped = redis.call('ZCARD', KEYS[2])
redis.call('DEL', KEYS[2])
dropped = dropped + each_waiting(KEYS[1], function(id) redis.call('XDEL', KEYS[1], id) end)
for i = 3, #KEYS do
  dropped = dropped + each_waiting(KEYS[i], function() end)
  redis.call('XGROUP', 'SETID', KEYS[i], group, '$')
end
return dropped

-- Renew a member's lease, and share out the partitions among those whose leases last.
-- KEYS: members (consumer: "until since", in ms), owners (partition: consumer).
-- ARGV: consumer, lease in ms, partitions, then the partitions that it gives up.
-- Reply: how many are its share, those it owns, and of these those it is to give up.
local me, lease, n = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- A server whose memory is full lets a script go on that has written already; and unless leases
-- are renewed, nobody frees any.
redis.call('HDEL', KEYS[1], '')
for i = 4, #ARGV do
  if redis.call('HGET', KEYS[2], ARGV[i]) == me then redis.call('HDEL', KEYS[2], ARGV[i]) end
end

local since, alive, names = now, {}, {}
local found = redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
  local ends, began = string.match(found[i + 1], '(%d+) (%d+)')
  if found[i] == me then
    since = tonumber(began)
  elseif tonumber(ends) < now then
    redis.call('HDEL', KEYS[1], found[i])
  else
    alive[#alive + 1] = {found[i], tonumber(began)}
    names[found[i]] = true
  end
end
alive[#alive + 1] = {me, since}
redis.call('HSET', KEYS[1], me, string.format('%.0f %.0f', now + lease, since))

-- Who came first has the larger part, so that a newcomer moves as little as can be.
table.sort(alive, function(a, b)
  if a[2] ~= b[2] then return a[2] < b[2] end
  return a[1] < b[1]
end)
local share = math.floor(n / #alive)
for rank, member in ipairs(alive) do
  if member[1] == me and rank <= n % #alive then share = share + 1 end
end

local mine, free = {}, {}
for p = 0, n - 1 do
  local owner = redis.call('HGET', KEYS[2], p)
  if owner == me then
    mine[#mine + 1] = p
  elseif not owner or not names[owner] then
    free[#free + 1] = p
  end
end
for _, p in ipairs(free) do
  if #mine >= share then break end
  redis.call('HSET', KEYS[2], p, me)
  mine[#mine + 1] = p
end
for i = 1, 2 do redis.call('PEXPIRE', KEYS[i], lease + 3600000) end
return {share, mine, {unpack(mine, share + 1)}}

-- Remove what every group has settled, and the private groups of dead subscriptions.
-- KEYS: main stream, anonymous, meta. ARGV: now in ms.
local stream, now = KEYS[1], tonumber(ARGV[1])

local function older(a, b)
  local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
  local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
  if a_ms ~= b_ms then return tonumber(a_ms) < tonumber(b_ms) end
  return tonumber(a_seq) < tonumber(b_seq)
end

local function is_dead(group)
  if string.sub(group, 1, 6) ~= 'anymq:' then return false end
  local until_ms = redis.call('ZSCORE', KEYS[2], group)
  return not until_ms or tonumber(until_ms) < now
end

local groups = redis.pcall('XINFO', 'GROUPS', stream)
if groups.err then return 0 end
local floor
for _, info in ipairs(groups) do
  local group, pending, needed = info[2], info[6], info[8]
  if is_dead(group) then
    redis.call('XGROUP', 'DESTROY', stream, group)
    local companion = '{' .. string.match(KEYS[2], '^{(.*)}') .. '}.' .. group
    redis.call('DEL', companion .. '.retry', companion .. '.dead', companion .. '.delayed')
    for p = 1, tonumber(redis.call('HGET', KEYS[3], 'partitions') or '1') - 1 do
      redis.call('DEL', companion .. '.retry#' .. p)
    end
    redis.call('ZREM', KEYS[2], group)
  else
    if pending > 0 then needed = redis.call('XPENDING', stream, group)[2] end
    if not floor or older(needed, floor) then floor = needed end
  end
end
if not floor then return 0 end
local retention = tonumber(redis.call('HGET', KEYS[3], 'retention_ms') or '') or 0
local oldest = string.format('%.0f-0', now - retention)
if retention > 0 and older(oldest, floor) then floor = oldest end
return redis.call('XTRIM', stream, 'MINID', '~', floor)

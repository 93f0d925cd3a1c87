-- Keeps a consumer group in order.
-- KEYS  1 events
-- ARGV  1 group  2 consumer that leaves, '' for none  3 ms after which a silent consumer is forgotten
-- A consumer that still holds entries is never forgotten: they would be nobody's then.
local group, leaving, silent = ARGV[1], ARGV[2], tonumber(ARGV[3])
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end

local function named(list)
  local map = {}
  for i = 1, #list, 2 do map[list[i]] = list[i + 1] end
  return map
end

local last
for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local found = named(info)
  if found['name'] == group then last = found['last-delivered-id'] end
end
if not last then return 0 end

for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group)) do
  local consumer = named(info)
  if consumer['pending'] == 0 and (consumer['name'] == leaving or consumer['idle'] >= silent) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group, consumer['name'])
  end
end

-- Delivered, not deleted, and held by nobody, after a consumer was removed by hand: read again.
if redis.call('XPENDING', KEYS[1], group)[1] > 0 then return 0 end
if #redis.call('XRANGE', KEYS[1], '-', last, 'COUNT', 1) == 0 then return 0 end
redis.call('XGROUP', 'SETID', KEYS[1], group, '0')
return 1

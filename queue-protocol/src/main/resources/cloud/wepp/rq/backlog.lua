-- Looks at how many events wait, and takes the oldest away where that was chosen.
-- KEYS  1 events  2 count of what was dropped
-- ARGV  1 group  2 most events that may wait  3 what becomes of more: stop (they stay), drop, or off (nobody wants any)
--       4 now, ISO
-- Returns {events that wait, ms since the first of them was written, events that were dropped}.
local group, most, full, iso = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local waiting = redis.call('XLEN', KEYS[1])
if waiting == 0 then return {0, 0, 0} end

-- Somebody carries the events to Postgres, or holds some that are to go there.
local function carried()
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    for i = 1, #info, 2 do
      if info[i] == 'name' and info[i + 1] == group then
        return #redis.call('XINFO', 'CONSUMERS', KEYS[1], group) > 0
      end
    end
  end
  return false
end

-- A page at a time: nobody else is served meanwhile.
local function drop(count)
  local dropped, held, first, last = 0, 0, nil, nil
  while dropped < math.min(count, 20000) do
    local ids = {}
    for i, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', math.min(count - dropped, 1000))) do
      ids[i] = entry[1]
    end
    if #ids == 0 then break end
    first, last = first or ids[1], ids[#ids]
    held = held + redis.call('XACK', KEYS[1], group, unpack(ids))
    dropped = dropped + redis.call('XDEL', KEYS[1], unpack(ids))
  end
  -- A ledger that has some of them in hand may still write them.
  redis.call('XADD', KEYS[1], '*', 'event', 'dropped_events', 'at', iso, 'count', dropped, 'held', held,
    'first', first, 'last', last)
  redis.call('INCRBY', KEYS[2], dropped)
  return dropped
end

local dropped = 0
if full == 'off' and not carried() then
  redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
elseif waiting > most and full ~= 'stop' then
  dropped = drop(waiting - most + math.floor(most / 100)) -- some more, so that one event tells of many
end

local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not oldest then return {0, 0, dropped} end
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local age = math.max(0, now_ms - tonumber(oldest[1]:match('^%d+')))
return {redis.call('XLEN', KEYS[1]), age, dropped}

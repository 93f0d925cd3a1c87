-- Takes those scheduler locks that are free, keeps those that are this scheduler's, and its record.
-- KEYS  1 record of the scheduler  2... lock of each queue
-- ARGV  1 name  2 seconds to live  3 hostname  4 pid  5 created, ISO  6 now, ISO  7... queues, in the order of the locks
-- Returns {Redis' time, queue, ...}: the queues whose lock is held.
local held = {redis.call('TIME')[1]}
local refreshed = false
for i = 2, #KEYS do
  local owner = redis.call('GET', KEYS[i])
  if not owner or owner == ARGV[1] then
    -- Refreshed when a third of its time is over: this runs every second.
    if not owner or redis.call('TTL', KEYS[i]) * 3 < tonumber(ARGV[2]) * 2 then
      redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2])
      refreshed = true
    end
    held[#held + 1] = ARGV[5 + i]
  end
end
if #held == 1 then
  redis.call('DEL', KEYS[1])
elseif refreshed then
  redis.call('HSET', KEYS[1], 'name', ARGV[1], 'hostname', ARGV[3], 'pid', ARGV[4],
    'queues', table.concat(ARGV, ',', 7), 'created_at', ARGV[5], 'last_heartbeat', ARGV[6])
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return held

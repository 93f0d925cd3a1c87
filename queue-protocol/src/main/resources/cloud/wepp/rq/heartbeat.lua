-- Keeps one running job's lease, and rq's own records of it, ahead of time.
-- KEYS  1 job  2 leases
-- ARGV  1 prefix  2 job id  3 queue (origin)  4 worker  5 claim  6 execution  7 now, ISO  8 now, epoch
--       9 lease ms  10 wip s  11 seconds worked  12 memory that the worker's container holds, in words, '' if unknown
-- Returns 'held', 'canceled', or 'lost'; after the last two nothing of the claim is left in rq's registries.
local prefix, id, queue, worker, claim, execution, iso, epoch = unpack(ARGV, 1, 8)
local lease, wip = tonumber(ARGV[9]), tonumber(ARGV[10])
local worker_key = prefix .. ':worker:' .. worker

local time = redis.call('TIME')
local now = tonumber(time[1])
local lease_end = now * 1000 + math.floor(tonumber(time[2]) / 1000) + lease

redis.call('HSET', worker_key, 'last_heartbeat', iso)
redis.call('EXPIRE', worker_key, wip)

local held = redis.call('HMGET', KEYS[1], 'claim', 'status')
-- rq has just ended the job in a Python child, which is recorded under this claim in a moment.
if held[1] ~= claim and redis.call('EXISTS', prefix .. ':wepp:ended:' .. claim) == 1 then
  redis.call('ZADD', KEYS[2], 'XX', lease_end, id .. '|' .. claim)
  return 'held'
end
if held[1] ~= claim or held[2] == 'canceled' then
  redis.call('ZREM', KEYS[2], id .. '|' .. claim)
  if not held[2] or held[2] == 'canceled' then
    redis.call('ZREM', prefix .. ':wip:' .. queue, id, id .. ':' .. execution)
  end
  return held[1] == claim and 'canceled' or 'lost'
end
redis.call('ZADD', KEYS[2], lease_end, id .. '|' .. claim)
-- Again at every beat: a tool may have deleted the worker's keys.
redis.call('HSET', worker_key, 'state', 'busy', 'current_job', id, 'current_job_working_time', ARGV[11])
redis.call('SADD', worker_key .. ':executions', id .. ':' .. execution)
redis.call('EXPIRE', worker_key .. ':executions', wip + 60)
redis.call('ZADD', prefix .. ':wip:' .. queue, 'XX', now + wip, id)
local record = prefix .. ':execution:' .. id .. ':' .. execution
redis.call('HSET', record, 'last_heartbeat', epoch, 'memory', ARGV[12])
redis.call('EXPIRE', record, wip + 120)
redis.call('ZADD', prefix .. ':executions:' .. id, 'XX', now + wip + 60, execution)
redis.call('EXPIRE', prefix .. ':executions:' .. id, wip + 60)
redis.call('HSET', KEYS[1], 'last_heartbeat', iso)
return 'held'

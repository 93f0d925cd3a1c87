-- Records how rq itself ended a job in a Python child: the event, and an end to what is left of the claim.
-- The child has left word in the hash KEYS[4], in the transaction that ended the job.
-- KEYS  1 job  2 leases  3 events  4 the child's word
-- ARGV  1 prefix  2 job id  3 queue (origin)  4 worker  5 claim  6 execution  7 now, ISO
--       8 function  9 run id  10 detail as JSON
-- Returns how it ended, or nil when rq has not ended it under this claim; then nothing was written.
local prefix, id, queue, worker, claim, execution, iso = unpack(ARGV, 1, 7)
local job, word = KEYS[1], KEYS[4]
local worker_key = prefix .. ':worker:' .. worker

local left = redis.call('HMGET', word, 'ending', 'recorded')
local ending = left[1]
if left[2] then return ending end
local held = redis.call('HMGET', job, 'claim', 'status', 'rate_limit_key', 'rate_limit_concurrency')
if not ending then
  -- rq 1.16 ends a failed job in two transactions; the first may be all there is.
  if held[1] ~= claim or (held[2] ~= 'failed' and held[2] ~= 'stopped') then return nil end
  ending = held[2]
  redis.call('ZREM', prefix .. ':wip:' .. queue, id)
end

-- rq stops a canceled job like any other; it stays canceled.
if ending == 'stopped' and held[2] == 'stopped' and redis.call('ZSCORE', prefix .. ':canceled:' .. queue, id) then
  ending = 'canceled'
  held[2] = 'canceled'
  redis.call('HSET', job, 'status', 'canceled')
  redis.call('ZREM', prefix .. ':failed:' .. queue, id)
end
if held[1] == claim then redis.call('HDEL', job, 'claim') end
redis.call('ZREM', KEYS[2], id .. '|' .. claim)
redis.call('DEL', prefix .. ':execution:' .. id .. ':' .. execution)
redis.call('ZREM', prefix .. ':executions:' .. id, execution)
redis.call('SREM', worker_key .. ':executions', id .. ':' .. execution)
if redis.call('HGET', worker_key, 'current_job') == id then redis.call('HDEL', worker_key, 'current_job') end
if redis.call('HEXISTS', worker_key, 'birth') == 1 then
  redis.call('HSET', worker_key, 'state', 'idle', 'current_job_working_time', 0, 'last_heartbeat', iso)
end
-- rq before 3.0 knows no limits, and 3.0 gives the place up itself: the second time changes nothing.
if held[3] and held[4] and held[2] and held[2] ~= 'queued' and held[2] ~= 'started' then
  give_place(prefix, held[3], held[4], id, tonumber(redis.call('TIME')[1]), iso)
end
redis.call('HSET', word, 'ending', ending, 'recorded', iso)
redis.call('EXPIRE', word, 60) -- the answer may be lost, and asked for again
redis.call('XADD', KEYS[3], '*', 'event', ending, 'job', id, 'claim', claim, 'worker', worker,
  'at', iso, 'function', ARGV[8], 'run', ARGV[9], 'detail', ARGV[10], 'status', held[2] or ending)
return ending

-- Puts a failed or stopped job at the end of its queue, as rq's requeue does.
-- KEYS  1 job  2 events  3 leases
-- ARGV  1 prefix  2 job id  3 now, ISO  4 '1' to write nothing  5 function  6 run id
-- Returns {'requeued', ''}, {'limited', limit} when it waits for its limit first, or {'left', why}.
local prefix, id, iso, dry = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local time = redis.call('TIME')
local now = tonumber(time[1])
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'claim', 'ttl')
if redis.call('HEXISTS', KEYS[1], 'data') == 0 then return {'left', 'it is gone'} end
local status, queue, ttl = job[1] or '', job[2] or '', lifetime(job[4])
if status ~= 'failed' and status ~= 'stopped' then
  return {'left', 'it is ' .. (status == '' and 'created' or status)}
end
-- Another's maintenance may call a job abandoned that its worker still runs.
local lease = job[3] and redis.call('ZSCORE', KEYS[3], id .. '|' .. job[3])
if lease and tonumber(lease) > now * 1000 + math.floor(tonumber(time[2]) / 1000) then
  return {'left', 'a worker still runs it'}
end
local failed = prefix .. ':failed:' .. queue
local known
if dry then known = redis.call('ZSCORE', failed, id) else known = redis.call('ZREM', failed, id) == 1 end
if not known then return {'left', 'it is not in the registry of failed jobs'} end
if dry then return {'requeued', ''} end

-- exc_info: what rq writes here, an empty text, compressed.
redis.call('HSET', KEYS[1], 'started_at', '', 'ended_at', '', 'exc_info', '\120\156\3\0\0\0\0\1')
for _, key in ipairs({KEYS[1], KEYS[1] .. ':dependents', prefix .. ':job::' .. id .. ':dependencies'}) do
  -- rq leaves the failure's time to live, so that the job can vanish while it waits.
  if ttl then redis.call('EXPIRE', key, ttl) else redis.call('PERSIST', key) end
end
local list = prefix .. ':queue:' .. queue
redis.call('SADD', prefix .. ':queues', list)
local limit, most = limit_of(KEYS[1])
if limit then
  leave(prefix, limit, id, now) -- one that a worker of another rq forgot to give back
  redis.call('SADD', prefix .. ':rl-keys', limit)
  redis.call('HSET', prefix .. ':rl:' .. limit, 'concurrency', most)
  redis.call('HSET', KEYS[1], 'status', 'rate_limited', 'enqueue_at_front', '0')
  redis.call('ZADD', prefix .. ':rl:' .. limit .. ':rate_limited', now, id)
  admit(prefix, limit, most, now, iso)
else
  redis.call('HSET', KEYS[1], 'status', 'queued', 'enqueued_at', iso)
  redis.call('RPUSH', list, id)
end
status = redis.call('HGET', KEYS[1], 'status')
redis.call('XADD', KEYS[2], '*', 'event', 'requeued', 'job', id, 'queue', queue, 'at', iso,
  'function', ARGV[5], 'run', ARGV[6], 'status', status)
if status == 'rate_limited' then return {'limited', limit} end
return {'requeued', ''}

-- Cancels a job that waits, as rq does without its dependents, or has a started one stopped by its worker.
-- KEYS  1 job  2 events
-- ARGV  1 prefix  2 job id  3 now, ISO  4 '1' to write nothing  5 function  6 run id
-- Returns {'canceled', ''}, {'asked', worker} or {'left', why}.
local prefix, id, iso, dry = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local now = tonumber(redis.call('TIME')[1])
local job = redis.call('HMGET', KEYS[1], 'status', 'origin', 'worker_name', 'description', 'enqueued_at')
if redis.call('HEXISTS', KEYS[1], 'data') == 0 then return {'left', 'it is gone'} end
local status, queue, worker = job[1] or '', job[2] or '', job[3] or ''
if queue == '' then return {'left', 'it names no queue'} end

if status == 'started' then
  if worker == '' then return {'left', 'it names no worker'} end
  if dry then return {'asked', worker} end
  local order = cjson.encode({command = 'stop-job', job_id = id})
  if redis.call('PUBLISH', prefix .. ':pubsub:' .. worker, order) == 0 then
    return {'left', 'its worker ' .. worker .. ' does not listen'}
  end
  return {'asked', worker}
end

local list = prefix .. ':queue:' .. queue
if status == 'queued' or status == 'created' or status == '' then
  -- rq's workers pop an id first and write down later that it is started.
  local function taken()
    return runs(prefix, id, now) or redis.call('LPOS', list .. ':intermediate', id)
  end
  local waits
  if dry then
    waits = not taken() or redis.call('LPOS', list, id)
  else
    waits = redis.call('LREM', list, 1, id) == 1 or not taken()
  end
  if not waits then return {'left', 'a worker is just taking it'} end
elseif status ~= 'deferred' and status ~= 'scheduled' and status ~= 'rate_limited' and status ~= 'ready_to_enqueue' then
  return {'left', 'it is ' .. status}
end
if dry then return {'canceled', ''} end

if status == 'deferred' then
  redis.call('ZREM', prefix .. ':deferred:' .. queue, id)
  for _, parent in ipairs(redis.call('SMEMBERS', prefix .. ':job::' .. id .. ':dependencies')) do
    redis.call('SREM', prefix .. ':job:' .. parent .. ':dependents', id)
  end
elseif status == 'scheduled' then
  redis.call('ZREM', prefix .. ':scheduled:' .. queue, id)
elseif status == 'ready_to_enqueue' then
  redis.call('ZREM', prefix .. ':ready:' .. queue, id)
end
redis.call('HSET', KEYS[1], 'status', 'canceled')
redis.call('ZADD', prefix .. ':canceled:' .. queue, now, id)
local limit = limit_of(KEYS[1])
if limit then
  redis.call('ZREM', prefix .. ':rl:' .. limit .. ':rate_limited', id)
  if leave(prefix, limit, id, now) then
    local most = tonumber(redis.call('HGET', prefix .. ':rl:' .. limit, 'concurrency') or '') or 0
    admit(prefix, limit, most, now, iso)
  end
end
redis.call('XADD', KEYS[2], '*', 'event', 'canceled', 'job', id, 'queue', queue, 'at', iso,
  'function', ARGV[5], 'run', ARGV[6], 'description', job[4] or '', 'enqueued_at', job[5] or '', 'status', 'canceled')
return {'canceled', ''}

-- Ends an execution whose worker, not one of ours, has not been heard of in time: the job is tried again or fails, as by
-- rq's own maintenance. What this worker has claimed is never touched.
-- KEYS  1 wip  2 job  3 leases  4 events
-- ARGV  1 prefix  2 queue  3 wip entry  4 job id  5 execution, '' for none  6 now, ISO  7 exc_string
--       8 failure ttl of jobs that name none  9 seconds for which a failure callback may wait for Python
--       10 detail as JSON
-- Returns 'left', 'dropped' (the entry, and nothing of the job), 'requeued', 'retried' or 'failed'.
local prefix, queue, entry, id, execution, iso = unpack(ARGV, 1, 6)
local now = tonumber(redis.call('TIME')[1])
local ends = tonumber(redis.call('ZSCORE', KEYS[1], entry) or '')
if not ends or ends < 0 or ends > now then return 'left' end

local job = redis.call('HMGET', KEYS[2], 'status', 'claim', 'retries_left', 'retry_intervals', 'failure_ttl', 'ttl',
  'enqueue_at_front_on_retry', 'failure_callback_name', 'worker_name', 'rate_limit_key', 'rate_limit_concurrency')
local status, claim, worker = job[1] or '', job[2] or '', job[9] or ''
local exists = redis.call('HEXISTS', KEYS[2], 'data') == 1
local leased = claim ~= '' and redis.call('ZSCORE', KEYS[3], id .. '|' .. claim)
if leased and entry == id then return 'left' end

local live = wip_end(prefix, queue, id, entry)
live = live and live > now

-- A status without its place: the worker died between two of rq's transactions, and nobody else would run the job.
local lost = status == 'queued' and not redis.call('LPOS', prefix .. ':queue:' .. queue, id)
  or status == 'scheduled' and not redis.call('ZSCORE', prefix .. ':scheduled:' .. queue, id)
local abandoned = exists and not leased and not live and (status == 'started' or lost)
if abandoned and status == 'started' and (job[8] or '') ~= '' and now - ends < tonumber(ARGV[9]) then return 'left' end

redis.call('ZREM', KEYS[1], entry)
if execution ~= '' then
  redis.call('DEL', prefix .. ':execution:' .. id .. ':' .. execution)
  redis.call('ZREM', prefix .. ':executions:' .. id, execution)
  redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', id .. ':' .. execution)
end
if not abandoned then return 'dropped' end

local function event(name, becomes)
  redis.call('XADD', KEYS[4], '*', 'event', name, 'job', id, 'queue', queue, 'worker', worker, 'at', iso,
    'execution', execution, 'detail', ARGV[10], 'status', becomes)
end

if status == 'queued' then -- it was taken, and not started
  redis.call('LREM', prefix .. ':queue:' .. queue .. ':intermediate', 1, id)
  push_to(prefix, queue, id, true)
  event('requeued', 'queued')
  return 'requeued'
end

local left = tonumber(job[3] or '') or 0
if left > 0 then
  local list = intervals(job[4])
  local seconds = seconds_at(list, math.max(#list - left, 0) + 1)
  redis.call('HSET', KEYS[2], 'retries_left', string.format('%d', left - 1))
  if seconds > 0 then
    schedule(prefix, queue, id, now + seconds)
    give_place(prefix, job[10], job[11], id, now, iso)
    event('retried', 'scheduled')
  else -- it keeps its place in its limit
    redis.call('HSET', KEYS[2], 'status', 'queued', 'enqueued_at', iso)
    local ttl = lifetime(job[6])
    if ttl then redis.call('EXPIRE', KEYS[2], ttl) end
    push_to(prefix, queue, id, job[7] == '1')
    event('retried', 'queued')
  end
  return 'retried'
end

local dependents = KEYS[2] .. ':dependents'
local own = {KEYS[2], dependents, prefix .. ':job::' .. id .. ':dependencies', prefix .. ':results:' .. id}
local given = tonumber(job[5] or '')
local ttl = given and given <= 0 and given or tonumber(lifetime(job[5]) or ARGV[8])
redis.call('HSET', KEYS[2], 'status', 'failed')
enqueue_children(prefix, id, dependents_of(KEYS[2]), 'failed', now, iso)
if ttl == 0 then
  redis.call('DEL', unpack(own))
else
  redis.call('XADD', own[4], 'MAXLEN', '10', '*', 'type', '2', 'worker_name', '', 'exc_string', ARGV[7])
  for _, key in ipairs(own) do
    if ttl > 0 then redis.call('EXPIRE', key, ttl) else redis.call('PERSIST', key) end
  end
  redis.call('ZADD', prefix .. ':failed:' .. queue, ttl < 0 and -1 or now + ttl, id)
end
give_place(prefix, job[10], job[11], id, now, iso)
event('failed', 'failed')
return 'failed'

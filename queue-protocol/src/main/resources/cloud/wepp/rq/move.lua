-- Moves one job from a registry where it waits into its queue, or to its limit.
-- KEYS  1 registry: scheduled or ready  2 job  3 events
-- ARGV  1 prefix  2 queue  3 job id  4 now, ISO  5 the status of jobs in this registry
-- Returns the new status; 'left' when it is not its time; 'dropped' when the entry was a leftover.
local prefix, queue, id, iso, waiting = unpack(ARGV)
local now = tonumber(redis.call('TIME')[1])
local due = tonumber(redis.call('ZSCORE', KEYS[1], id) or '')
if not due or (waiting == 'scheduled' and due > now) then return 'left' end

local job = redis.call('HMGET', KEYS[2], 'status', 'enqueue_at_front', 'enqueue_at_front_on_retry', 'ended_at', 'ttl',
  'rate_limit_key', 'rate_limit_concurrency')
local exists = redis.call('HEXISTS', KEYS[2], 'data') == 1
local status = job[1] or ''

-- rq before 3.0 writes the entry first and the job, or its status, a moment later.
if waiting == 'scheduled' and not exists and now - due < 60 then return 'left' end
if waiting == 'scheduled' and status == 'started' and wip_end(prefix, queue, id) then return 'left' end

-- rq pushes whatever is due. A job that was canceled, or waits in a queue or for something else, stays where it is.
local function belongs()
  if waiting ~= 'scheduled' then return status == waiting end
  return status ~= 'canceled' and status ~= 'queued' and status ~= 'deferred' and status ~= 'rate_limited'
    and status ~= 'ready_to_enqueue'
end
redis.call('ZREM', KEYS[1], id)
if not exists or not belongs() then return 'dropped' end

local again = job[3] == '1' and job[4] and job[4] ~= ''
local becomes = enqueue(prefix, {id = id, queue = queue, front = again or job[2] == '1', ttl = job[5], limit = job[6],
  most = job[7]}, now, iso)
redis.call('XADD', KEYS[3], '*', 'event', 'enqueued', 'job', id, 'queue', queue, 'at', iso, 'enqueued_at', iso,
  'status', becomes)
return becomes

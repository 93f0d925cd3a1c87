-- The concurrency limiter of rq 3.0; comes before the text of the scripts that need it.

-- Lets jobs that wait for a limit into their queues, oldest first, while fewer than `most` are let in.
local function admit(prefix, limit, most, now, iso)
  local allowed = prefix .. ':rl:' .. limit .. ':allowed'
  while redis.call('ZCARD', allowed) < most do
    local first = redis.call('ZPOPMIN', prefix .. ':rl:' .. limit .. ':rate_limited')[1]
    if not first then return end
    local key = prefix .. ':job:' .. first
    local job = redis.call('HMGET', key, 'status', 'origin', 'enqueue_at_front')
    if job[1] == 'rate_limited' and job[2] then -- any other entry is a leftover
      redis.call('ZADD', allowed, now, first)
      redis.call('HSET', key, 'status', 'queued', 'enqueued_at', iso)
      redis.call(job[3] == '1' and 'LPUSH' or 'RPUSH', prefix .. ':queue:' .. job[2], first)
    end
  end
end

-- Whether an execution of the job is recorded that has not run out.
local function runs(prefix, id, now)
  return redis.call('ZCOUNT', prefix .. ':executions:' .. id, '(' .. now, '+inf') > 0
end

-- Takes the job's place in the limit away, unless the job runs. Returns whether it had one.
local function leave(prefix, limit, id, now)
  return not runs(prefix, id, now) and redis.call('ZREM', prefix .. ':rl:' .. limit .. ':allowed', id) == 1
end

-- The limit's name and its number; nil unless the job has both.
local function limit_of(job)
  local limit = redis.call('HMGET', job, 'rate_limit_key', 'rate_limit_concurrency')
  local most = tonumber(limit[2] or '')
  if limit[1] and limit[1] ~= '' and most then return limit[1], most end
end

-- How jobs get into queues; comes after limiter.lua and before the text of the scripts that need it.

-- A number is dear as an argument: Redis writes it with 17 digits.
local function whole(number) return string.format('%d', number) end

-- Writes to a key of one job. What is of another kind there makes way: an error would come when half is written.
local function put(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) ~= 'table' or not answer.err then return end
  if answer.err:find('WRONGTYPE', 1, true) then redis.call('DEL', key) end
  redis.call(command, key, ...)
end

local function push_to(prefix, queue, id, front)
  redis.call('SADD', prefix .. ':queues', prefix .. ':queue:' .. queue)
  redis.call(front and 'LPUSH' or 'RPUSH', prefix .. ':queue:' .. queue, id)
end

-- The whole seconds that a key may live, as text; nil for what Redis would refuse.
local function lifetime(text)
  local seconds = math.floor(tonumber(text or '') or 0)
  return seconds >= 1 and seconds <= 3153600000 and string.format('%d', seconds) or nil
end

-- Queues a job, or has it wait for its limit. Returns its status.
-- job: id, queue, front; and as in its hash: ttl, limit (rate_limit_key), most (rate_limit_concurrency)
local function enqueue(prefix, job, now, iso)
  local key = prefix .. ':job:' .. job.id
  local ttl, most = lifetime(job.ttl), tonumber(job.most or '')
  if ttl then
    redis.call('EXPIRE', key, ttl)
    redis.call('EXPIRE', key .. ':dependents', ttl)
    redis.call('EXPIRE', prefix .. ':job::' .. job.id .. ':dependencies', ttl)
  end
  if not (job.limit and job.limit ~= '' and most) then
    redis.call('HSET', key, 'status', 'queued', 'enqueued_at', iso)
    push_to(prefix, job.queue, job.id, job.front)
    return 'queued'
  end
  leave(prefix, job.limit, job.id, now) -- a place that a worker of an older rq did not give back
  redis.call('SADD', prefix .. ':queues', prefix .. ':queue:' .. job.queue)
  redis.call('SADD', prefix .. ':rl-keys', job.limit)
  redis.call('HSET', prefix .. ':rl:' .. job.limit, 'concurrency', most)
  redis.call('HSET', key, 'status', 'rate_limited')
  if job.front then redis.call('HSET', key, 'enqueue_at_front', 1) end
  redis.call('ZADD', prefix .. ':rl:' .. job.limit .. ':rate_limited', now, job.id)
  admit(prefix, job.limit, most, now, iso)
  return redis.call('HGET', key, 'status')
end

-- Gives a job's place in its limit, if it has both, to the next that waits for one.
local function give_place(prefix, limit, most, id, now, iso)
  if not (limit and limit ~= '' and tonumber(most or '')) then return end
  redis.call('ZREM', prefix .. ':rl:' .. limit .. ':allowed', id)
  admit(prefix, limit, tonumber(redis.call('HGET', prefix .. ':rl:' .. limit, 'concurrency') or '') or 0, now, iso)
end

-- rq: a finished parent satisfies a child, a failed one only if the child allows it; an unknown one always does.
local function satisfied(parent_status, allow)
  return not parent_status or parent_status == 'finished' or (allow and parent_status == 'failed')
end

-- The ids of jobs that wait for a job; none when the key is no set.
local function dependents_of(job)
  local children = redis.pcall('SMEMBERS', job .. ':dependents')
  return children.err and {} or children
end

-- Queues those children of a job which ended with this status that wait for nothing else.
local function enqueue_children(prefix, id, children, status, now, iso)
  for _, child in ipairs(children) do
    local f = redis.pcall('HMGET', prefix .. ':job:' .. child, 'status', 'origin', 'allow_dependency_failures',
      'enqueue_at_front', 'ttl', 'rate_limit_key', 'rate_limit_concurrency')
    local allow = f[3] == '1'
    local ready = f[1] == 'deferred' and f[2] and f[2] ~= '' and satisfied(status, allow)
    if ready then
      for _, parent in ipairs(redis.call('SMEMBERS', prefix .. ':job::' .. child .. ':dependencies')) do
        if parent ~= id and not satisfied(redis.call('HGET', prefix .. ':job:' .. parent, 'status'), allow) then
          ready = false
        end
      end
    end
    if ready then
      redis.call('ZREM', prefix .. ':deferred:' .. f[2], child)
      local job = {id = child, queue = f[2], front = f[4] == '1', ttl = f[5], limit = f[6], most = f[7]}
      enqueue(prefix, job, now, iso)
      redis.call('SREM', prefix .. ':job:' .. id .. ':dependents', child)
    end
  end
end

-- The intervals that rq writes as JSON; empty when there are none.
local function intervals(json)
  local read, list = pcall(cjson.decode, json or '')
  return read and type(list) == 'table' and list or {}
end

-- Whole seconds at a place of a list, counted from 1; 0 for what is no interval.
local function seconds_at(list, place)
  return math.max(math.floor(tonumber(list[place]) or 0), 0)
end

-- Has a job wait until it is due again in so many seconds.
local function schedule(prefix, queue, id, due)
  redis.call('HSET', prefix .. ':job:' .. id, 'status', 'scheduled')
  redis.call('SADD', prefix .. ':queues', prefix .. ':queue:' .. queue)
  redis.call('ZADD', prefix .. ':scheduled:' .. queue, due, id)
end

-- When the last of a job's entries in wip ends, other than one that is excepted; nil when there is none. Entries are
-- the id alone (rq 1.x, and this worker's) or <id>:<execution>.
local function wip_end(prefix, queue, id, except)
  local wip, last = prefix .. ':wip:' .. queue, nil
  local entries = {id}
  for _, execution in ipairs(redis.call('ZRANGE', prefix .. ':executions:' .. id, 0, -1)) do
    entries[#entries + 1] = id .. ':' .. execution
  end
  for _, entry in ipairs(entries) do
    local ends = entry ~= except and tonumber(redis.call('ZSCORE', wip, entry) or '')
    if ends and (not last or ends > last) then last = ends end
  end
  return last
end

-- Ends a claim: status, result, registries, dependents and the event, or nothing at all.
-- Comes after jobs.lua and before turn.lua, which says what the arguments are. Returns how it ended, and what the
-- worker's record is to count; nil when the record must not be written.
local function settle(prefix, worker, now, now_ms)
  local kind, id, queue, claim, execution, iso, started, ended = unpack(ARGV, 11, 18)
  local ttl, payload, interval, crashes = tonumber(ARGV[19]), ARGV[20], tonumber(ARGV[21]), ARGV[25]
  if crashes == '' then crashes = nil end
  local job = prefix .. ':job:' .. id
  local worker_key = prefix .. ':worker:' .. worker

  local function leave_run()
    local runs = prefix .. ':wepp:runs'
    if ARGV[23] ~= '' and redis.call('HGET', runs, ARGV[23]) == id .. '|' .. claim then
      redis.call('HDEL', runs, ARGV[23])
    end
  end

  -- Takes this claim's own records away. Counts the job for the worker, if there is one of the name.
  local function release(counted)
    redis.call('DEL', prefix .. ':execution:' .. id .. ':' .. execution)
    redis.call('ZREM', prefix .. ':wip:' .. queue, id)
    redis.call('ZREM', prefix .. ':executions:' .. id, execution)
    redis.call('SREM', worker_key .. ':executions', id .. ':' .. execution)
    redis.call('ZREM', KEYS[1], id .. '|' .. claim)
    leave_run()
    local counter = kind == 'finish' and 'successful_job_count' or 'failed_job_count'
    local known = redis.call('HMGET', worker_key, 'birth', 'total_working_time', counter)
    if not known[1] then return nil end -- the worker's record ended first; it must not come back
    if not counted then return {} end
    local worked = (tonumber(known[2] or '0') or 0) + tonumber(ended) - tonumber(started)
    local jobs = (tonumber(known[3] or '0') or 0) + 1
    return {'total_working_time', string.format('%.6f', worked), counter, whole(jobs)}
  end

  -- Says only what the start's event has not said, and no status that is the event's name.
  local function event(name, status)
    local fields = {'event', name, 'job', id, 'claim', claim, 'worker', worker, 'at', iso,
      'function', ARGV[22], 'detail', ARGV[24]}
    local function add(field, value)
      fields[#fields + 1] = field
      fields[#fields + 1] = value
    end
    if ARGV[23] ~= '' then add('run', ARGV[23]) end
    if status then add('status', status) end
    redis.call('XADD', KEYS[2], '*', unpack(fields))
  end

  local held = redis.call('HMGET', job, 'claim', 'settled', 'status', 'dependency_ids', 'dependency_id', 'repeats_left',
    'rate_limit_key', 'rate_limit_concurrency')
  if held[2] == claim then
    if crashes then redis.call('ZREM', KEYS[1], id .. '|' .. claim) end
    return 'settled'
  end
  if crashes then
    local ends = tonumber(redis.call('ZSCORE', KEYS[1], id .. '|' .. claim) or '')
    if not ends or ends > now_ms then return 'left' end
  end
  if held[1] ~= claim then
    -- Another holds the job, or it was deleted: only what is this claim's own is taken away. Said once.
    if redis.call('DEL', prefix .. ':execution:' .. id .. ':' .. execution) == 1 or crashes then event('lost') end
    redis.call('ZREM', prefix .. ':executions:' .. id, execution)
    redis.call('SREM', worker_key .. ':executions', id .. ':' .. execution)
    redis.call('ZREM', KEYS[1], id .. '|' .. claim)
    leave_run()
    if redis.call('HGET', worker_key, 'current_job') == id then
      redis.call('HDEL', worker_key, 'current_job')
      redis.call('HSET', worker_key, 'state', 'idle')
    end
    if not held[3] then redis.call('ZREM', prefix .. ':wip:' .. queue, id) end
    return 'lost'
  end
  if kind == 'leave' then return 'lost' end

  -- Writes fields of the job; its claim is empty from now on, which is cheaper than to delete it.
  local function claim_ends(...)
    redis.call('HSET', job, 'claim', '', 'settled', claim, ...)
    if crashes then redis.call('HSET', job, 'crashes', kind == 'fail' and '' or crashes) end
  end

  if held[3] == 'canceled' then
    give_place(prefix, held[7], held[8], id, now, iso)
    local counts = release()
    claim_ends()
    event('canceled')
    return 'canceled', counts
  end

  local dependents = job .. ':dependents'
  local children = dependents_of(job)

  local function expire(key)
    if ttl > 0 then redis.call('EXPIRE', key, ARGV[19]) elseif ttl < 0 then redis.call('PERSIST', key) end
  end

  -- The job's own keys live as long as it does.
  local function expire_job()
    expire(job)
    if #children > 0 then expire(dependents) end
    if held[4] or held[5] then expire(prefix .. ':job::' .. id .. ':dependencies') end
  end

  local function push(to, what, front) push_to(prefix, to, what, front) end
  local function enqueue_dependents(status) enqueue_children(prefix, id, children, status, now, iso) end

  -- Repeats that are left; nil for none.
  local repeats = kind == 'finish' and tonumber(held[6] or '')
  if not repeats or repeats <= 0 then repeats = nil end

  -- Intervals are used up from the front; the last serves all repeats that have none. As rq 3.0; 2.x begins at the end.
  local function repeat_job()
    local list = intervals(redis.call('HGET', job, 'repeat_intervals'))
    local seconds = seconds_at(list, 1)
    if #list > 1 then
      table.remove(list, 1)
      redis.call('HSET', job, 'repeat_intervals', cjson.encode(list))
    end
    redis.call('HSET', job, 'repeats_left', whole(repeats - 1))
    redis.call('HDEL', job, 'crashes')
    redis.call('PERSIST', job)
    redis.call('PERSIST', dependents)
    redis.call('PERSIST', prefix .. ':job::' .. id .. ':dependencies')
    if seconds > 0 then
      schedule(prefix, queue, id, now + seconds)
    else
      redis.call('HSET', job, 'status', 'queued', 'enqueued_at', iso)
      push(queue, id)
    end
    redis.call('XADD', KEYS[2], '*', 'event', 'repeated', 'job', id, 'queue', queue, 'at', iso,
      'status', seconds > 0 and 'scheduled' or 'queued')
  end

  local function result(kind_of_result, field)
    local results = prefix .. ':results:' .. id
    local entry = {results, 'MAXLEN', '10', '*', 'type', kind_of_result, 'worker_name', worker,
      'execution_id', execution, 'execution_started_at', started, 'execution_ended_at', ended}
    if payload ~= '' then
      entry[#entry + 1] = field
      entry[#entry + 1] = payload
    end
    put('XADD', unpack(entry))
    expire(results)
  end

  local counts
  if kind == 'finish' then
    counts = release(true)
    claim_ends('status', 'finished', 'ended_at', iso, 'last_heartbeat', iso)
    enqueue_dependents('finished')
    if ttl == 0 and repeats then -- no result, but the job stays
    elseif ttl == 0 then
      redis.call('DEL', job, job .. ':dependents', prefix .. ':job::' .. id .. ':dependencies',
        prefix .. ':results:' .. id, prefix .. ':executions:' .. id)
    else
      result('1', 'return_value')
      redis.call('ZADD', prefix .. ':finished:' .. queue, ttl < 0 and '+inf' or whole(now + ttl), id)
      expire_job()
    end
    event('finished')
  elseif kind == 'fail' or kind == 'stop' then
    local status = kind == 'fail' and 'failed' or 'stopped'
    counts = release(true)
    claim_ends('status', status, 'ended_at', iso, 'last_heartbeat', iso)
    if kind == 'fail' then enqueue_dependents('failed') end
    if ttl == 0 then
      redis.call('DEL', job, job .. ':dependents', prefix .. ':job::' .. id .. ':dependencies',
        prefix .. ':results:' .. id)
    else
      result('2', 'exc_string')
      expire_job()
    end
    if ttl ~= 0 then redis.call('ZADD', prefix .. ':failed:' .. queue, ttl < 0 and -1 or now + ttl, id) end
    event(status)
  elseif kind == 'retry' then
    counts = release(true)
    local left = tonumber(redis.call('HGET', job, 'retries_left') or '') or 1
    redis.call('HSET', job, 'retries_left', whole(left - 1))
    claim_ends('ended_at', iso, 'last_heartbeat', iso)
    if interval > 0 then
      redis.call('HSET', job, 'status', 'scheduled')
      redis.call('SADD', prefix .. ':queues', prefix .. ':queue:' .. queue)
      redis.call('ZADD', prefix .. ':scheduled:' .. queue, now + interval, id)
    else
      redis.call('HSET', job, 'status', 'queued', 'enqueued_at', iso)
      push(queue, id, redis.call('HGET', job, 'enqueue_at_front_on_retry') == '1')
    end
    event('retried', interval > 0 and 'scheduled' or 'queued')
  else
    counts = release()
    claim_ends('status', 'queued', 'started_at', '')
    push(queue, id, true)
    event('requeued', 'queued')
  end

  if repeats then repeat_job() end
  -- A job that is queued again keeps its place in its limit.
  if held[7] and held[8] and redis.call('HGET', job, 'status') ~= 'queued' then
    give_place(prefix, held[7], held[8], id, now, iso)
  end
  return 'settled', counts
end

-- Claims one job: the first of the given ids that is still in the queue, or the head when none is given.
-- Comes after payload.lua and before turn.lua, which says what the arguments are. Returns nil (nothing taken) or {field, value, ..., id}.
local function take(prefix, worker, now, now_ms)
  local claim, queue, execution, iso, epoch = unpack(ARGV, 3, 7)
  local lease, wip, most = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
  local waiting = prefix .. ':queue:' .. queue

  local run, runs = ARGV[26], prefix .. ':wepp:runs'

  local function job_key(id) return prefix .. ':job:' .. id end

  if redis.call('EXISTS', prefix .. ':suspended') == 1 then return nil end
  local unwritten = redis.call('XLEN', KEYS[2])
  if unwritten >= most then return nil end

  -- Asked again after a lost answer: the job is ours already.
  local function ours(id)
    if redis.pcall('HGET', job_key(id), 'claim') ~= claim then return nil end
    redis.call('ZADD', KEYS[1], whole(now_ms + lease), id .. '|' .. claim) -- it may have run out meanwhile
    local taken = redis.call('HGETALL', job_key(id))
    taken[#taken + 1] = id
    return taken
  end

  local over = {canceled = true, finished = true, failed = true, stopped = true}

  -- rq runs whatever id it pops. An id of a job that is over or runs is a leftover here; a status that nobody knows is none.
  local function waits(id, status, origin)
    if over[status] then return false end
    if status ~= 'started' then return true end
    local wip_key = prefix .. ':wip:' .. origin
    return not redis.call('ZSCORE', wip_key, id)
        and #redis.call('ZRANGE', prefix .. ':executions:' .. id, 0, 0) == 0
  end

  -- Whether another job works in the run: until its claim has ended. Somebody ends it when its lease is over; should there
  -- be nobody left, the run is free a minute later.
  local function run_is_busy(id)
    local holder = redis.call('HGET', runs, run)
    if not holder or holder == id .. '|' .. claim then return false end
    local ends = tonumber(redis.call('ZSCORE', KEYS[1], holder) or '')
    return ends and ends + 60000 > now_ms
  end

  -- Returns the job as it was before it was claimed, without its empty fields: they mean the same as absent ones.
  local function claimed(id)
    local job = job_key(id)
    local fields = redis.pcall('HGETALL', job)
    if fields.err then fields = {} end -- the key is no hash
    local field, before, n = {}, {}, 0
    for i = 1, #fields, 2 do
      local name, value = fields[i], fields[i + 1]
      field[name] = value
      if value ~= '' then
        before[n + 1], before[n + 2] = name, value
        n = n + 2
      end
    end
    redis.call('LREM', waiting .. ':intermediate', '1', id)
    if not field.data then return nil end
    local origin, status = field.origin or '', field.status or ''
    if origin == '' then origin = queue end
    if not waits(id, status, origin) then
      redis.call('XADD', KEYS[2], '*', 'event', 'dropped', 'job', id, 'queue', queue, 'claim', claim,
        'execution', execution, 'worker', worker, 'at', iso, 'status', status)
      return nil
    end

    redis.call('HSET', job, 'status', 'started', 'started_at', iso, 'last_heartbeat', iso,
      'worker_name', worker, 'ended_at', '', 'claim', claim)
    redis.call('PERSIST', job)
    -- Their times to live come with the first heartbeat; before it, whoever ends the claim deletes them.
    redis.call('HSET', prefix .. ':execution:' .. id .. ':' .. execution, 'id', execution, 'created_at', epoch,
      'last_heartbeat', epoch, 'job_id', id, 'worker_name', worker)
    put('ZADD', prefix .. ':executions:' .. id, whole(now + wip + 60), execution)
    redis.call('ZADD', prefix .. ':wip:' .. origin, whole(now + wip), id)
    redis.call('SADD', prefix .. ':worker:' .. worker .. ':executions', id .. ':' .. execution)
    redis.call('ZADD', KEYS[1], whole(now_ms + lease), id .. '|' .. claim)
    redis.call('XADD', KEYS[2], '*', 'event', 'started', 'job', id, 'queue', origin, 'claim', claim,
      'execution', execution, 'worker', worker, 'at', iso, 'description', field.description or '',
      'enqueued_at', field.enqueued_at or '', 'payload', payload(before, unwritten))
    if run ~= '' then redis.call('HSET', runs, run, id .. '|' .. claim) end
    before[n + 1] = id
    return before
  end

  if #ARGV > 26 then
    for i = 27, #ARGV do
      local taken
      if run ~= '' and run_is_busy(ARGV[i]) then return nil end
      if redis.call('LREM', waiting, '1', ARGV[i]) == 1 then taken = claimed(ARGV[i]) else taken = ours(ARGV[i]) end
      if taken then return taken end
    end
    return nil
  end
  local id = redis.call('LPOP', waiting)
  while id do
    local taken = claimed(id)
    if taken then return taken end
    id = redis.call('LPOP', waiting)
  end
  return nil
end

-- Claims one job: the first of the given ids that is still in the queue, or the head when none is given.
-- KEYS  1 queue list   2 leases   3 events
-- ARGV  1 prefix  2 queue  3 worker  4 claim  5 execution  6 now, ISO  7 now, epoch  8 lease ms  9 wip s
--       10 most events that may wait  11... ids
-- Returns nil (nothing taken) or {field, value, ..., id}.
local prefix, queue, worker, claim, execution, iso, epoch = unpack(ARGV, 1, 7)
local lease, wip, most = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

local function job_key(id) return prefix .. ':job:' .. id end

-- Asked again after a lost answer: the job is ours already.
local function ours(id)
  if redis.pcall('HGET', job_key(id), 'claim') ~= claim then return nil end
  local taken = redis.call('HGETALL', job_key(id))
  taken[#taken + 1] = id
  return taken
end

if redis.call('EXISTS', prefix .. ':suspended') == 1 then return nil end
if redis.call('XLEN', KEYS[3]) >= most then return nil end

local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)

-- A number is dear as an argument: Redis writes it with 17 digits.
local function whole(number) return string.format('%d', number) end

local over = {canceled = true, finished = true, failed = true, stopped = true}

-- rq runs whatever id it pops. An id of a job that is over or runs is a leftover here; a status that nobody knows is none.
local function waits(id, status, origin)
  if over[status] then return false end
  if status ~= 'started' then return true end
  local wip_key = prefix .. ':wip:' .. origin
  return not redis.call('ZSCORE', wip_key, id)
      and #redis.call('ZRANGE', prefix .. ':executions:' .. id, 0, 0) == 0
end

-- Returns the job as it was before it was claimed.
local function claimed(id)
  local job = job_key(id)
  local fields = redis.pcall('HGETALL', job)
  if fields.err then fields = {} end -- the key is no hash
  local field = {}
  for i = 1, #fields, 2 do field[fields[i]] = fields[i + 1] end
  redis.call('LREM', KEYS[1] .. ':intermediate', '1', id)
  if not field.data then return nil end
  local origin, status = field.origin or '', field.status or ''
  if origin == '' then origin = queue end
  if not waits(id, status, origin) then
    redis.call('XADD', KEYS[3], '*', 'event', 'dropped', 'job', id, 'queue', queue, 'claim', claim,
      'execution', execution, 'worker', worker, 'at', iso, 'status', status)
    return nil
  end

  local wip_end, index_end, index_ttl = whole(now + wip), whole(now + wip + 60), whole(wip + 60)
  redis.call('HSET', job, 'status', 'started', 'started_at', iso, 'last_heartbeat', iso,
    'worker_name', worker, 'ended_at', '', 'claim', claim)
  redis.call('PERSIST', job)
  local record = prefix .. ':execution:' .. id .. ':' .. execution
  redis.call('HSET', record, 'id', execution, 'created_at', epoch, 'last_heartbeat', epoch,
    'job_id', id, 'worker_name', worker)
  redis.call('EXPIRE', record, whole(wip + 120))
  local index = prefix .. ':executions:' .. id
  redis.call('ZADD', index, index_end, execution)
  redis.call('EXPIRE', index, index_ttl)
  redis.call('ZADD', prefix .. ':wip:' .. origin, wip_end, id)
  local worker_key = prefix .. ':worker:' .. worker
  redis.call('SADD', worker_key .. ':executions', id .. ':' .. execution)
  redis.call('EXPIRE', worker_key .. ':executions', index_ttl)
  redis.call('HSET', worker_key, 'state', 'busy', 'current_job', id,
    'current_job_working_time', '0', 'last_heartbeat', iso)
  redis.call('ZADD', KEYS[2], whole(now_ms + lease), id .. '|' .. claim)
  redis.call('XADD', KEYS[3], '*', 'event', 'started', 'job', id, 'queue', origin, 'claim', claim,
    'execution', execution, 'worker', worker, 'at', iso, 'description', field.description or '',
    'enqueued_at', field.enqueued_at or '')
  fields[#fields + 1] = id
  return fields
end

if #ARGV > 10 then
  for i = 11, #ARGV do
    local taken
    if redis.call('LREM', KEYS[1], '1', ARGV[i]) == 1 then taken = claimed(ARGV[i]) else taken = ours(ARGV[i]) end
    if taken then return taken end
  end
  return nil
end
local id = redis.call('LPOP', KEYS[1])
while id do
  local taken = claimed(id)
  if taken then return taken end
  id = redis.call('LPOP', KEYS[1])
end
return nil

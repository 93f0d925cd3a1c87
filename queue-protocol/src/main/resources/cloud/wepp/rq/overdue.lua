-- Finds the claims whose lease is over. Changes nothing.
-- KEYS  1 leases
-- ARGV  1 prefix  2 how many at most
-- Returns {now in ms, seconds since Redis started (0 if nothing is found), claim, ...}; each claim is
-- {job id, claim, whether the job has it, queue, worker, execution, seconds that rq would still wait,
-- memory at the last heartbeat, field, value, ...}.
local prefix = ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)
local members = redis.call('ZRANGEBYSCORE', KEYS[1], 0, now_ms, 'LIMIT', 0, ARGV[2])
local found = {tostring(now_ms), '0'}
if #members > 0 then -- a negative one: the clock was set back after the start
  found[2] = redis.call('INFO', 'server'):match('uptime_in_seconds:(%d+)') or tostring(now)
end

-- The execution that this worker has begun of the job; '' for none.
local function execution_of(id, worker)
  for _, execution in ipairs(redis.call('ZRANGE', prefix .. ':executions:' .. id, 0, -1)) do
    local by = redis.call('HGET', prefix .. ':execution:' .. id .. ':' .. execution, 'worker_name')
    if by == worker then return execution end
  end
  return ''
end

for _, member in ipairs(members) do
  local id, claim = member:match('^(.*)|([^|]*)$')
  local key = prefix .. ':job:' .. id
  local fields = redis.call('HGETALL', key)
  local job = redis.call('HMGET', key, 'claim', 'origin', 'worker_name')
  local held = job[1] == claim
  local queue, worker, execution
  if held then
    queue, worker = job[2] or '', job[3] or ''
    execution = execution_of(id, worker)
  else -- the word of a Python child, if it was one
    local word = redis.call('HMGET', prefix .. ':wepp:ended:' .. claim, 'queue', 'worker', 'execution')
    queue, worker, execution = word[1] or job[2] or '', word[2] or '', word[3] or ''
  end
  local wip = tonumber(redis.call('ZSCORE', prefix .. ':wip:' .. queue, id) or '') or 0
  found[#found + 1] = {id, claim, held and '1' or '0', queue, worker, execution,
    tostring(math.max(wip - now, 0)),
    redis.call('HGET', prefix .. ':execution:' .. id .. ':' .. execution, 'memory') or '', unpack(fields)}
end
return found

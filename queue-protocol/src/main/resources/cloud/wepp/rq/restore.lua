-- Puts a job that Redis has lost back into its queue, from what an event kept of it.
-- KEYS  1 job  2 events
-- ARGV  1 prefix  2 job id  3 now, ISO  4 '1' to write nothing  5 queue  6 payload of the event
-- Returns '' or why it was left alone.
local prefix, id, iso, dry, queue = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1', ARGV[5]
local now = tonumber(redis.call('TIME')[1])
if redis.call('HEXISTS', KEYS[1], 'data') == 1 then return 'Redis has it' end
if ARGV[6] == '' then return 'no event has its payload: it was too large, or is too old' end
local read, fields = pcall(cmsgpack.unpack, ARGV[6])
if not read or type(fields) ~= 'table' or #fields % 2 == 1 then return 'its payload cannot be read' end

-- What its last runs have left behind.
local past = {status = 1, started_at = 1, ended_at = 1, last_heartbeat = 1, worker_name = 1, claim = 1, settled = 1,
  begun = 1, exc_info = 1, crashes = 1}
local job, field = {'started_at', '', 'ended_at', '', 'last_heartbeat', '', 'worker_name', ''}, {}
for i = 1, #fields, 2 do
  if not past[fields[i]] then
    field[fields[i]] = fields[i + 1]
    job[#job + 1] = fields[i]
    job[#job + 1] = fields[i + 1]
  end
end
if not field.data then return 'its payload has no call' end
if field.origin then queue = field.origin end
if dry then return '' end

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'origin', queue, unpack(job))
if field.group_id then
  redis.call('SADD', prefix .. ':groups', field.group_id)
  redis.call('SADD', prefix .. ':group:' .. field.group_id, id)
end
redis.call('LREM', prefix .. ':queue:' .. queue, 0, id) -- the id may be all that Redis has
local status = enqueue(prefix, {id = id, queue = queue, front = false, ttl = field.ttl, limit = field.rate_limit_key,
  most = field.rate_limit_concurrency}, now, iso)
redis.call('XADD', KEYS[2], '*', 'event', 'requeued', 'job', id, 'queue', queue, 'at', iso, 'enqueued_at', iso,
  'status', status, 'by', 'reconcile')
return ''

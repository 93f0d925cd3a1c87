-- Looks at one id that a Python worker took and has not started. One that stays so is put back to the front of its queue,
-- where rq would fail the job.
-- KEYS  1 intermediate list  2 queue  3 job  4 our marks: id to <enqueued_at>|<first seen here, ms>  5 events
-- ARGV  1 prefix  2 queue  3 job id  4 now, ISO  5 ms for which it may stay
-- Returns 'left', 'dropped' (from the list only) or 'requeued'.
local prefix, queue, id, iso = unpack(ARGV, 1, 4)
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if not redis.call('LPOS', KEYS[1], id) then
  redis.call('HDEL', KEYS[4], id)
  return 'left'
end

local job = redis.call('HMGET', KEYS[3], 'status', 'origin', 'enqueued_at')
local mark = (job[3] or '') .. '|'
local seen = redis.call('HGET', KEYS[4], id) or ''
if seen:sub(1, #mark) ~= mark then -- the job was queued again since, or this is the first time
  redis.call('HSET', KEYS[4], id, mark .. string.format('%d', now_ms))
  redis.call('EXPIRE', KEYS[4], 86400)
  return 'left'
end
if now_ms - (tonumber(seen:sub(#mark + 1)) or 0) < tonumber(ARGV[5]) then return 'left' end
if wip_end(prefix, job[2] or queue, id) then return 'left' end

redis.call('HDEL', KEYS[4], id)
redis.call('LREM', KEYS[1], 1, id)
redis.call('DEL', KEYS[1] .. ':first_seen:' .. id)
local status = job[1] or ''
if redis.call('HEXISTS', KEYS[3], 'data') == 0 or not (status == '' or status == 'created' or status == 'queued') then
  return 'dropped'
end
if not redis.call('LPOS', KEYS[2], id) then push_to(prefix, queue, id, true) end
redis.call('HSET', KEYS[3], 'status', 'queued')
redis.call('XADD', KEYS[5], '*', 'event', 'requeued', 'job', id, 'queue', queue, 'at', iso, 'status', 'queued')
return 'requeued'

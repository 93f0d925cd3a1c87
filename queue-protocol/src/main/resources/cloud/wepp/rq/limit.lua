-- Brings one concurrency limit of rq 3.0 in order: places of jobs that have ended are free, and are given away.
-- KEYS  1 limit  2 names of all limits
-- ARGV  1 prefix  2 name  3 now, ISO
-- Returns 'left'.
local prefix, limit, iso = unpack(ARGV)
local now = tonumber(redis.call('TIME')[1])
local allowed = KEYS[1] .. ':allowed'
for _, id in ipairs(redis.call('ZRANGE', allowed, 0, -1)) do
  local status = redis.call('HGET', prefix .. ':job:' .. id, 'status')
  if status ~= 'queued' and status ~= 'started' then leave(prefix, limit, id, now) end
end
admit(prefix, limit, tonumber(redis.call('HGET', KEYS[1], 'concurrency') or '') or 0, now, iso)
if redis.call('EXISTS', allowed, KEYS[1] .. ':rate_limited') == 0 then
  redis.call('SREM', KEYS[2], limit)
  redis.call('DEL', KEYS[1])
end
return 'left'

-- Takes events that are safe elsewhere out of the stream: acknowledged and deleted, or neither.
-- KEYS  1 events
-- ARGV  1 group  2... stream ids, at most 5000
-- Returns how many were deleted.
local ids = {unpack(ARGV, 2)}
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
return redis.call('XDEL', KEYS[1], unpack(ids))

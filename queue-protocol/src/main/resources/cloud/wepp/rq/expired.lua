-- Clears what has expired out of a queue's registries, and tells what else there is to look at.
-- KEYS  1 finished  2 failed  3 wip  4 intermediate list  5 our marks of it
-- Returns {n, wip entry of a worker that was not heard of in time, ..., id in the intermediate list, ...}: n entries.
local now = redis.call('TIME')[1]
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], 0, now)
local found = redis.call('ZRANGEBYSCORE', KEYS[3], 0, now, 'LIMIT', 0, 1000)
table.insert(found, 1, tostring(#found))
local taken = redis.call('LRANGE', KEYS[4], 0, 999)
if #taken == 0 then redis.call('DEL', KEYS[5]) end
for _, id in ipairs(taken) do found[#found + 1] = id end
return found

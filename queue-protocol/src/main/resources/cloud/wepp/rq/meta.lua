-- Writes a job's meta if the claim is held and meta still holds the bytes that were read.
-- KEYS 1 job   ARGV 1 claim  2 meta as read ('' for none)  3 meta to write
if redis.call('HGET', KEYS[1], 'claim') ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[1], 'meta') or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'meta', ARGV[3])
return 1

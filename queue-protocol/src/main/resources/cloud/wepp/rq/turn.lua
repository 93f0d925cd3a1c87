-- Ends a claim, takes a job, or ends one and then takes the next: for a short job most of the time is what two scripts
-- would do twice.
-- KEYS  1 leases   2 events
-- ARGV  1 prefix  2 worker
--       3 claim of the job to take, '' for none  4 queue  5 execution  6 now, ISO  7 now, epoch  8 lease ms  9 wip s
--       10 most events that may wait
--       11 how to end a claim: finish | fail | stop | retry | giveback | leave, '' for none  12 job id  13 queue (origin)
--       14 claim  15 execution  16 now, ISO  17 started, epoch  18 ended, epoch  19 ttl in seconds (-1 keep)
--       20 payload: return_value or exc_string, '' for none  21 seconds until a retry  22 function  23 run id
--       24 detail as JSON  25 only by others, for a worker that is gone: the job's crashes as JSON, else ''
--       26 run that no other job with one may work in at the same time, '' for none
--       27... ids of which to take the first that waits, none for the queue's head
-- Returns {field, value, ..., id, end}: the job that was taken, if one was, and how the claim ended: 'settled', 'canceled'
-- (the job stays canceled), 'lost' (the claim is gone; the job is as it was), to others 'left' (the lease is not over), or
-- '' if none was to end.
local prefix, worker = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1])
local now_ms = now * 1000 + math.floor(tonumber(time[2]) / 1000)

local ending, counts = '', nil
if ARGV[11] ~= '' then ending, counts = settle(prefix, worker, now, now_ms) end
local taken = ARGV[3] ~= '' and take(prefix, worker, now, now_ms) or {}

local worker_key = prefix .. ':worker:' .. worker
if #taken > 0 then
  redis.call('HSET', worker_key, 'state', 'busy', 'current_job', taken[#taken], 'current_job_working_time', '0',
    'last_heartbeat', ARGV[6], unpack(counts or {}))
elseif counts then
  redis.call('HDEL', worker_key, 'current_job')
  redis.call('HSET', worker_key, 'state', 'idle', 'current_job_working_time', '0', 'last_heartbeat', ARGV[16],
    unpack(counts))
end
taken[#taken + 1] = ending
return taken

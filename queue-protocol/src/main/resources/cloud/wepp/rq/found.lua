-- Writes an event for a job that the history does not know.
-- KEYS  1 job  2 events
-- ARGV  1 prefix  2 job id  3 now, ISO  4 '1' to write nothing  5 function  6 run id
-- Returns '' or why it was left alone.
local id, iso, dry = ARGV[2], ARGV[3], ARGV[4] == '1'
local fields = redis.call('HGETALL', KEYS[1])
local field, kept = {}, {}
for i = 1, #fields, 2 do
  if fields[i + 1] ~= '' then
    field[fields[i]] = fields[i + 1]
    kept[#kept + 1] = fields[i]
    kept[#kept + 1] = fields[i + 1]
  end
end
if not field.data then return 'it is gone' end
if dry then return '' end
local event = {'event', 'found', 'job', id, 'at', iso, 'queue', field.origin or '', 'status', field.status or 'created'}
local function add(name, value)
  if value and value ~= '' then
    event[#event + 1] = name
    event[#event + 1] = value
  end
end
for _, name in ipairs({'description', 'enqueued_at', 'started_at', 'ended_at'}) do add(name, field[name]) end
add('function', ARGV[5])
add('run', ARGV[6])
add('payload', payload(kept, redis.call('XLEN', KEYS[2])))
redis.call('XADD', KEYS[2], '*', unpack(event))
return ''

-- Takes names out of sets when the keys that they stand for are gone.
-- KEYS  sets   ARGV  1 what comes before a name in its key  2... names
-- Returns how many are gone.
local gone = 0
for i = 2, #ARGV do
  if redis.call('EXISTS', ARGV[1] .. ARGV[i]) == 0 then
    for _, set in ipairs(KEYS) do redis.call('SREM', set, ARGV[i]) end
    gone = gone + 1
  end
end
return gone

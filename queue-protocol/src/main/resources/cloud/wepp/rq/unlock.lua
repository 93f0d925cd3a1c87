-- Gives up locks that are still this owner's.
-- KEYS  locks   ARGV  1 owner
-- Returns how many there were.
local freed = 0
for _, lock in ipairs(KEYS) do
  if redis.call('GET', lock) == ARGV[1] then freed = freed + redis.call('DEL', lock) end
end
return freed

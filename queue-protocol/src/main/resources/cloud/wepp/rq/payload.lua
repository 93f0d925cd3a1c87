-- What a lost job can be made from again; comes before the text of the scripts that need it.

-- The job's fields as one text for its event; '' when that would be too much to keep. What waits for Postgres is in
-- Redis' memory: the more events wait, the smaller a payload must be.
local function payload(fields, waiting)
  local packed = cmsgpack.pack(fields)
  return #packed <= 65536 and #packed * waiting <= 33554432 and packed or ''
end

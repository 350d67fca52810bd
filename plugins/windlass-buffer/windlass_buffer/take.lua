-- Takes the oldest entries into the drainer's own list; a beat, too.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 the drainer  2 how many at most  3 how many bytes, but for the last one
-- Answers the entries, the oldest first; nil when the drainer is not the site's any more.
local root, me = KEYS[1], ARGV[1]
if not redis.call('ZSCORE', root .. 'drainers', me) then
  return nil
end
local clock = redis.call('TIME')
redis.call('ZADD', root .. 'drainers', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)), me)
local entries, bytes = {}, 0
for place = 1, tonumber(ARGV[2]) do
  local entry = redis.call('LMOVE', root .. 'queue', root .. 'taken:' .. me, 'RIGHT', 'LEFT')
  if not entry then
    break
  end
  entries[place] = entry
  bytes = bytes + #entry
  if bytes > tonumber(ARGV[3]) then
    break
  end
end
return entries

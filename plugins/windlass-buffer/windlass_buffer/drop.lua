-- Takes dead letters off their list.
--
-- KEYS[1] root of the site's keys
-- ARGV    the letters as they are in the list, the oldest first
-- Answers how many were there.
local dropped = 0
for _, letter in ipairs(ARGV) do
  dropped = dropped + redis.call('LREM', KEYS[1] .. 'dead', -1, letter)
end
return dropped

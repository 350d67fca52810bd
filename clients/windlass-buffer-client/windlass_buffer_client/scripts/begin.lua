-- Runs before any other script on a server that does not know them, so before all others on one that has just started.
--
-- What a server wrote last may be gone once it starts again, or once its replica takes over, and the data does not show
-- it.  So a new run begins a new epoch: whoever knows of a number of the old one above what is here proves a loss, though
-- others submitted in between.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 random, for a new epoch
local meta = KEYS[1] .. 'meta'
local facts = redis.call('HMGET', meta, 'epoch', 'submitted', 'run')
if facts[1] and facts[3] ~= run_id() then
  redis.call('HSET', meta, 'life:' .. facts[1], facts[2])
  begin(meta, facts[1], '', tonumber(facts[2]), ARGV[1])
end

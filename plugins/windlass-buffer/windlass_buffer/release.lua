-- The drainer ends: what it had not finished goes back, in order.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 the drainer
local root, me = KEYS[1], ARGV[1]
while redis.call('LMOVE', root .. 'taken:' .. me, root .. 'queue', 'LEFT', 'RIGHT') do end
return redis.call('ZREM', root .. 'drainers', me)

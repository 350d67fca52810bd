-- Says of transactions that a drainer has them in hand.  Those that are over stay so: a drainer that was stopped may say
-- it when another has finished them.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 msgpack: ids  2 seconds a status is kept that has no end yet
local root = KEYS[1]
for _, id in ipairs(cmsgpack.unpack(ARGV[1])) do
  local state = redis.call('HGET', root .. 'tx:' .. id, 'state')
  if not state or state == 'buffered' then
    redis.call('HSET', root .. 'tx:' .. id, 'state', 'applying')
    redis.call('EXPIRE', root .. 'tx:' .. id, ARGV[2], 'NX')
  end
end

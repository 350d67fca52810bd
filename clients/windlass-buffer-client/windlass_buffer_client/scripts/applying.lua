-- Says of transactions that a drainer has them in hand.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 msgpack: ids  2 seconds a status is kept that has no end yet
local root = KEYS[1]
for _, id in ipairs(cmsgpack.unpack(ARGV[1])) do
  redis.call('HSET', root .. 'tx:' .. id, 'state', 'applying')
  redis.call('EXPIRE', root .. 'tx:' .. id, ARGV[2], 'NX')
end

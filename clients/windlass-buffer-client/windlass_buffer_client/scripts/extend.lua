-- Keeps what transactions left in the cache, and their status, for longer; never for shorter.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 msgpack: ids  2 seconds from now
local root, till = KEYS[1], redis.call('TIME')[1] + ARGV[2]
for _, id in ipairs(cmsgpack.unpack(ARGV[1])) do
  redis.call('EXPIRE', root .. 'tx:' .. id, ARGV[2], 'GT')
  local pending = redis.call('HGET', root .. 'pending', id)
  for _, record in ipairs(pending and cjson.decode(pending).records or {}) do
    redis.call('EXPIRE', root .. 'cache:' .. record[1] .. ':' .. record[2], ARGV[2], 'GT')
    redis.call('ZADD', root .. 'till:' .. record[1], 'XX', 'GT', till, record[2])
    redis.call('EXPIRE', root .. 'till:' .. record[1], ARGV[2] + 1, 'GT')
  end
end

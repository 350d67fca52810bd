-- Says of transactions that the replicas have them: what the cache holds of theirs may go.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 msgpack: ids  2 seconds the status is kept
local root = KEYS[1]
for _, id in ipairs(cmsgpack.unpack(ARGV[1])) do
  local pending = redis.call('HGET', root .. 'pending', id)
  if pending then
    for _, record in ipairs(cjson.decode(pending).records or {}) do
      local mine, key = '{"tx":"' .. id .. '"', root .. 'cache:' .. record[1] .. ':' .. record[2]
      local held = redis.call('GETRANGE', key, 0, #mine - 1)
      if held == mine or held == '' then  -- or its time was over
        redis.call('DEL', key)
        redis.call('ZREM', root .. 'till:' .. record[1], record[2])
      end
    end
    redis.call('HDEL', root .. 'pending', id)
    redis.call('HSET', root .. 'tx:' .. id, 'state', 'replicated')
    redis.call('EXPIRE', root .. 'tx:' .. id, ARGV[2])
    redis.call('PUBLISH', root .. 'said:' .. id, 'replicated')
  end
end

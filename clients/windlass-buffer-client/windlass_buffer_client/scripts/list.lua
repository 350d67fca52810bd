-- What is buffered of a collection, all of it at one moment.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 collection
-- Answers {{record id, JSON, …} in the read buffer, {record id, JSON, …} in the cache}.
local root, cached = KEYS[1], {}
for _, id in ipairs(redis.call('ZRANGE', root .. 'till:' .. ARGV[1], 0, -1)) do
  local found = redis.call('GET', root .. 'cache:' .. ARGV[1] .. ':' .. id)
  if found then
    cached[#cached + 1] = id
    cached[#cached + 1] = found
  else
    redis.call('ZREM', root .. 'till:' .. ARGV[1], id)  -- its time was over
  end
end
local buffered = redis.call('HGETALL', root .. 'read:' .. ARGV[1])
return {buffered, cached}

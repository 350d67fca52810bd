-- What is buffered of one record.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 collection  2 record id
-- Answers {in the read buffer or "", in the cache or ""}, each as JSON.
local root = KEYS[1]
return {
  redis.call('HGET', root .. 'read:' .. ARGV[1], ARGV[2]) or '',
  redis.call('GET', root .. 'cache:' .. ARGV[1] .. ':' .. ARGV[2]) or '',
}

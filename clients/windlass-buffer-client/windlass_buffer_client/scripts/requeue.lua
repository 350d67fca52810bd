-- Gives a dead letter another chance: it goes to the end of the queue, as if it had been submitted now.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 dead letter as it stands in the list  2 id  3 entry, JSON  4 msgpack: records or ""  5 seconds the status is kept
-- Answers 1, or 0 when the letter is no longer there.
local root, tx = KEYS[1], KEYS[1] .. 'tx:' .. ARGV[2]
if redis.call('LREM', root .. 'dead', 1, ARGV[1]) == 0 then
  return 0
end
redis.call('LPUSH', root .. 'queue', ARGV[3])
redis.call('HSET', tx, 'state', 'buffered', 'attempts', '0')
redis.call('HDEL', tx, 'error')
redis.call('EXPIRE', tx, ARGV[5])
if ARGV[4] ~= '' then
  for _, record in ipairs(cmsgpack.unpack(ARGV[4])) do
    redis.call('HSET', root .. 'read:' .. record[1], record[2], record[3])
  end
end
return 1

-- Moves one transaction to the dead letters.  Readers see it no longer.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 id or ""  2 epoch  3 seq  4 dead letter, JSON  5 error  6 attempts  7 msgpack: records  8 the drainer's list or ""
--         9 raw  10 seconds the status is kept
local root, id = KEYS[1], ARGV[1]
if not remove(ARGV[8], ARGV[9]) then
  return
end
redis.call('LPUSH', root .. 'dead', ARGV[4])
redis.call('HINCRBY', root .. 'meta', 'dead', 1)
if id == '' then
  return
end
redis.call('HSET', root .. 'tx:' .. id, 'state', 'dead', 'error', ARGV[5], 'attempts', ARGV[6])
number(root, id, ARGV[2], tonumber(ARGV[3]))
for _, record in ipairs(cmsgpack.unpack(ARGV[7])) do
  forget(root, id, record)
end
tell(root, id, 'dead', ARGV[10])
drained(root .. 'meta', tonumber(ARGV[3]))

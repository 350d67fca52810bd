-- Takes dead letters off their list and puts their entries where they are taken next, in their order.  A letter that
-- is not there any more was requeued or dropped by somebody else: its entry is left alone.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 seconds a status is kept, then for each letter, the oldest first: the letter as it is in the list, its
--         entry as it shall be in the queue, its id, its records (msgpack of {collection, id, JSON}, or "")
-- Answers how many.
local root = KEYS[1]
local found = {}
for place = 2, #ARGV, 4 do
  -- From the right end, where the oldest are: each is found at once.
  if redis.call('LREM', root .. 'dead', -1, ARGV[place]) == 1 then
    found[#found + 1] = place
  end
end
for number = #found, 1, -1 do
  local place = found[number]
  redis.call('RPUSH', root .. 'queue', ARGV[place + 1])
  local tx = root .. 'tx:' .. ARGV[place + 2]
  redis.call('HSET', tx, 'state', 'buffered', 'attempts', '0')
  redis.call('HDEL', tx, 'error', 'tries')
  redis.call('EXPIRE', tx, ARGV[1])
  if ARGV[place + 3] ~= '' then
    for _, record in ipairs(cmsgpack.unpack(ARGV[place + 3])) do
      -- What was submitted since is newer.
      redis.call('HSETNX', root .. 'read:' .. record[1], record[2], record[3])
    end
  end
end
return #found

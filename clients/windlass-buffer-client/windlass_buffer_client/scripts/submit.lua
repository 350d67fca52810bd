-- Takes one transaction: numbers it, pushes it, and lets readers see it.  All of it or nothing.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 limit  2 epoch  3 seq (both: the newest the producer knows of; "" and 0 when none)  4 random, for a new epoch
--         5 id  6 entry, JSON  7 records, msgpack of {collection, id, JSON} or ""  8 seconds its status is kept while it waits  9 created
-- Answers "what epoch seq depth", one line, which clients read in one go.  what: 1 taken, 2 it was taken before, 0 full.
local root = KEYS[1]
local tx, queue = root .. 'tx:' .. ARGV[5], root .. 'queue'
local epoch = compare(root, ARGV[2], tonumber(ARGV[3]), ARGV[4], false)

local function answer(...)
  return {ok = table.concat({...}, ' ')}
end

local depth = redis.call('LLEN', queue)
local before = redis.call('HMGET', tx, 'epoch', 'seq')
if before[2] then
  return answer(2, before[1], before[2], depth)
end
if depth >= tonumber(ARGV[1]) then
  return answer(0, epoch, '0', depth)
end

local seq = redis.call('HINCRBY', root .. 'meta', 'submitted', 1)
redis.call('LPUSH', queue, '{"epoch":"' .. epoch .. '","seq":' .. text(seq) .. ',' .. string.sub(ARGV[6], 2))
redis.call('HSET', tx, 'state', 'buffered', 'epoch', epoch, 'seq', text(seq), 'created', ARGV[9])
redis.call('EXPIRE', tx, ARGV[8])
if ARGV[7] ~= '' then
  for _, record in ipairs(cmsgpack.unpack(ARGV[7])) do
    redis.call('HSET', root .. 'read:' .. record[1], record[2], record[3])
  end
end
return answer(1, epoch, text(seq), depth + 1)

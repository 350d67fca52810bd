-- Says of transactions that the main database has them: their records move from the read buffer to the cache, and it is
-- noted what a replica must have replayed before the cache may go.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 msgpack: {id, epoch, seq, attempts, lsn, system, timeline, records, pending, raw} each
--           records {collection, id, JSON} each; pending JSON or ""; raw the entry as it stands in the drainer's list or ""
--         2 the drainer's list or ""  3 seconds the status is kept  4 seconds the cache is kept
local root = KEYS[1]
local now, last, written = tonumber(redis.call('TIME')[1]), 0, {}
for _, each in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, epoch, seq, attempts, lsn, system, timeline, records, pending, raw = unpack(each)
  if remove(ARGV[2], raw) then
    redis.call('HSET', root .. 'tx:' .. id, 'state', 'applied', 'attempts', attempts, 'lsn', lsn, 'system', system,
      'timeline', timeline)
    number(root, id, epoch, seq)
    for _, record in ipairs(records) do
      redis.call('SET', root .. 'cache:' .. record[1] .. ':' .. record[2], record[3], 'EX', ARGV[4])
      redis.call('ZADD', root .. 'till:' .. record[1], now + ARGV[4], record[2])
      written[record[1]] = true
      forget(root, id, record)
    end
    if pending ~= '' then
      redis.call('HSET', root .. 'pending', id, pending)
    end
    tell(root, id, 'applied', ARGV[3])
    last = math.max(last, seq)
  end
end
-- What the cache holds no more leaves the names of what it holds: nobody else may ever ask for this collection.
for collection in pairs(written) do
  local key = root .. 'till:' .. collection
  redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. now)
  if redis.call('EXPIRE', key, ARGV[4] + 1, 'GT') == 0 then
    redis.call('EXPIRE', key, ARGV[4] + 1, 'NX')
  end
end
drained(root .. 'meta', last)

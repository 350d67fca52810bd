-- What applied and dead share: the end of a transaction in the buffer.

-- Readers no longer find a record in the read buffer, unless a later transaction wrote it since.
local function forget(root, id, record)
  local mine, key = '{"tx":"' .. id .. '"', root .. 'read:' .. record[1]
  local found = redis.call('HGET', key, record[2])
  if found and string.sub(found, 1, #mine) == mine then
    redis.call('HDEL', key, record[2])
  end
end

-- Its entry leaves the drainer's list; the oldest is at the right end, so it is the first that is looked at.
--
-- False when it is not there: another drainer has taken over, and what this one says, late, must not undo what that did.
local function remove(taken, raw)
  return taken == '' or raw == '' or redis.call('LREM', taken, -1, raw) == 1
end

local function drained(meta, seq)
  if seq > tonumber(redis.call('HGET', meta, 'drained') or 0) then
    redis.call('HSET', meta, 'drained', string.format('%.0f', seq))
  end
end

-- One that was put back into the queue has no number any more, and keeps the one it had.
local function number(root, id, epoch, seq)
  if seq > 0 then
    redis.call('HSET', root .. 'tx:' .. id, 'epoch', epoch, 'seq', string.format('%.0f', seq))
  end
end

local function tell(root, id, state, ttl)
  redis.call('EXPIRE', root .. 'tx:' .. id, ttl)
  redis.call('PUBLISH', root .. 'said:' .. id, state)
end

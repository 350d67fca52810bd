-- What submit and settle share: which numbers there are, and which are missing.
--
-- Numbers are dense within an epoch and only ever rise.  An epoch is "<when it began, ms>-<random>", so that an emptied
-- server begins no earlier one; a new one begins when the server has started anew, and when somebody knows of a number
-- that is not here.  meta holds life:<epoch>, the last number of an epoch that is over which is accounted for.  Whoever
-- knows of a higher one proves how many are missing, and nothing is counted twice, in whichever order those who know
-- come back.
local function text(number)
  return string.format('%.0f', number)
end

-- Later epochs have higher ones.
local function ordinal(epoch)
  return tonumber(string.match(epoch, '^(%d+)%-') or 0)
end

local function run_id()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

local function begin(meta, over, known, last, random)
  local now = redis.call('TIME')
  local milliseconds = now[1] * 1000 + math.floor(now[2] / 1000)
  local epoch = text(math.max(milliseconds, ordinal(over) + 1, ordinal(known) + 1)) .. '-' .. random
  redis.call('HSET', meta, 'epoch', epoch, 'submitted', text(last), 'run', run_id())
  return epoch
end

-- Up to where an epoch that is over is accounted for.  One that this server has never heard of began no earlier than those
-- before it ended; and what a gap of it, or of a later one, covers is reported already.
local function accounted(root, known, seen)
  local life = redis.call('HGET', root .. 'meta', 'life:' .. known)
  if life then
    return tonumber(life)
  end
  local number, last = ordinal(known), 0
  for _, gap in ipairs(redis.call('LRANGE', root .. 'gaps', 0, -1)) do
    gap = cjson.decode(gap)
    if ordinal(gap.epoch) >= number and gap.first <= seen then
      return math.max(seen, gap.last)
    end
  end
  local facts = redis.call('HGETALL', root .. 'meta')
  for place = 1, #facts, 2 do
    local epoch = string.match(facts[place], '^life:(.*)')
    if epoch and ordinal(epoch) < number then
      last = math.max(last, tonumber(facts[place + 1]))
    end
  end
  return last
end

local function lost(root, epoch, first, last)
  local now = redis.call('TIME')
  redis.call('LPUSH', root .. 'gaps', cjson.encode({
    epoch = epoch, first = first, last = last, count = last - first + 1, noticed = now[1] + now[2] / 1000000,
  }))
  redis.call('LTRIM', root .. 'gaps', 0, 999)
end

-- Somebody knows that `seen` was given in `known`.  `is_there` says that he has it himself, so that it is not lost.
-- Answers the epoch and the last number given, as they are from now on.
local function compare(root, known, seen, random, is_there)
  local meta = root .. 'meta'
  local facts = redis.call('HMGET', meta, 'epoch', 'submitted')
  local epoch, submitted = facts[1], tonumber(facts[2] or 0)
  if epoch and (known == '' or known == epoch and seen <= submitted) then
    return epoch, submitted
  end
  if known ~= '' then
    local last = known == epoch and submitted or accounted(root, known, seen)
    if seen > last then
      redis.call('HSET', meta, 'life:' .. known, text(seen))
      if not is_there then
        lost(root, known, last + 1, seen)
      end
    end
  end
  if not epoch or seen > submitted then
    if epoch and epoch ~= known then
      redis.call('HSET', meta, 'life:' .. epoch, text(submitted))
    end
    submitted = math.max(seen, submitted)
    epoch = begin(meta, epoch or '', known, submitted, random)
  end
  return epoch, submitted
end

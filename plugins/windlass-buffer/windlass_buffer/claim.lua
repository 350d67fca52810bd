-- One drainer a site: makes this one the site's, unless another is alive.  What dead ones had taken goes back, in order.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 the drainer, named task-attempt-random  2 its task  3 its attempt  4 ms without a beat after which one is dead
-- Answers {} when it is the site's now, or {the living one, its last beat}.
local root, me, task, attempt, silent = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local found = redis.call('ZREVRANGE', root .. 'drainers', 0, -1, 'WITHSCORES')
for place = 1, #found, 2 do
  local name, beat = found[place], tonumber(found[place + 1])
  local of, nth = string.match(name, '^(%d+)%-(%d+)%-')
  -- A later attempt of a task starts only when the earlier one is over, or lost what it held.
  local superseded = name == me or (of == task and tonumber(nth) < attempt)
  if not superseded and now - beat < silent then
    return {name, string.format('%.0f', beat)}
  end
end
-- Who beat last took last: its entries go back first, and older ones come to stand before them.
for place = 1, #found, 2 do
  local taken = root .. 'taken:' .. found[place]
  while redis.call('LMOVE', taken, root .. 'queue', 'LEFT', 'RIGHT') do end
  redis.call('ZREM', root .. 'drainers', found[place])
end
redis.call('ZADD', root .. 'drainers', string.format('%.0f', now), me)
return {}

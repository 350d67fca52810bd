-- Tells how far the main database is, and so which of the missing numbers are not lost: those it has.
--
-- KEYS[1] root of the site's keys
-- ARGV    1 epoch  2 seq (the last that the main database has; "" and 0 when none)  3 random, for a new epoch
-- Answers {epoch, submitted} as they are from now on.
local root, known, seen = KEYS[1], ARGV[1], tonumber(ARGV[2])
local gaps = root .. 'gaps'
for place, gap in ipairs(redis.call('LRANGE', gaps, 0, -1)) do
  gap = cjson.decode(gap)
  -- A gap of an epoch before this one has other numbers than those the database means.
  if ordinal(gap.epoch) >= ordinal(known) and gap.first <= seen then
    gap.first = math.min(seen, gap.last) + 1
    gap.count = gap.last - gap.first + 1
    redis.call('LSET', gaps, place - 1, gap.count > 0 and cjson.encode(gap) or 'none')
  end
end
redis.call('LREM', gaps, 0, 'none')
return {compare(root, known, seen, ARGV[3], true)}

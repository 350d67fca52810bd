-- How much waits for a worker, by pool and class of priority, counted up to a cap, and how long the oldest has. Pools and priorities
-- are found by leaps over the claim's index: each leap reads one row.
with recursive pair as (
  (select pool, priority from windlass.ready order by pool, priority desc limit 1)
  union all
  select next.pool, next.priority from pair cross join lateral (
    (select r.pool, r.priority from windlass.ready r
     where r.pool = pair.pool and r.priority < pair.priority order by r.pool, r.priority desc limit 1)
    union all
    (select r.pool, r.priority from windlass.ready r
     where r.pool > pair.pool order by r.pool, r.priority desc limit 1)
    limit 1
  ) as next
), class as (
  select pool, class.lowest, class.highest,
         min((select r.next_try_at from windlass.ready r where r.pool = pair.pool and r.priority = pair.priority
              order by r.next_try_at, r.id limit 1)) as oldest
  from pair join (values (10, 32767), (5, 9), (-32768, 4)) as class(lowest, highest)
    on pair.priority between class.lowest and class.highest
  group by pool, class.lowest, class.highest
)
select pool, lowest,
       (select count(*) from (select from windlass.ready r where r.pool = class.pool
                              and r.priority between class.lowest and class.highest limit %(cap)s + 1) as few),
       greatest(extract(epoch from now() - oldest), 0)::float8
from class order by pool, lowest desc

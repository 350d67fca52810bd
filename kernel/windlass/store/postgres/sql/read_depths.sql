-- How much stands where, by pool, in one snapshot: what moves from one place to the next is seen in one of them. Each place is
-- counted up to a cap, in the order of its index, because a table that once was long has empty pages at its front. Pools and priorities
-- are found by leaps over the claim's index, each of which reads one row. Without any pool there is one row, which brings the time.
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
), due as (
  select pool, min((select r.next_try_at from windlass.ready r where r.pool = pair.pool and r.priority = pair.priority
                    order by r.next_try_at, r.id limit 1)) as oldest_at
  from pair group by pool
), waiting as (
  select pool, oldest_at,
         (select count(*) from (select from windlass.ready r where r.pool = due.pool limit %(cap)s + 1) as few) as waiting
  from due
), held as (
  select pool, count(*) filter (where started_at is not null or interrupt_at is not null) as in_use, count(*) as held
  from (select pool, started_at, interrupt_at from windlass.running order by id limit %(cap)s + 1) as few group by pool
), later as (
  select pool, count(*) as deferred from (select pool from windlass.deferred order by id limit %(cap)s + 1) as few group by pool
), stopped as (
  select pool, count(*) as blocked from (select pool from windlass.blocked order by id limit %(cap)s + 1) as few group by pool
), registered as (
  select name as pool, slots, paused_at, paused_by, reason from windlass.pool
), pools as (
  select * from registered full join waiting using (pool) full join held using (pool) full join later using (pool)
    full join stopped using (pool)
)
select now(), pool, coalesce(slots, 0), paused_at, paused_by, coalesce(reason, ''), coalesce(in_use, 0), coalesce(held, 0),
       coalesce(waiting, 0), oldest_at, coalesce(deferred, 0), coalesce(blocked, 0)
from (values (1)) as one left join pools on true
order by pool

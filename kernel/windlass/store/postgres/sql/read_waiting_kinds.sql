-- Which kinds the first due tasks of each pool are of, in claim order, and how many nodes could take them. Pools are found by leaps over the claim's index.
with recursive pools as (
  (select pool from windlass.ready order by pool limit 1)
  union all
  select (select r.pool from windlass.ready r where r.pool > pools.pool order by r.pool limit 1) from pools where pools.pool is not null
), first as (
  select pools.pool, f.kind, count(*) as waiting, min(f.next_try_at) as oldest_at
  from pools cross join lateral (
    select r.kind, r.next_try_at from windlass.ready r where r.pool = pools.pool
    order by r.priority desc, r.next_try_at, r.id limit %(cap)s) as f
  group by pools.pool, f.kind
)
select pool, kind, waiting, oldest_at, exists (select from windlass.kind k where k.name = first.kind and k.paused_at is not null),
       (select count(*) from (select from windlass.node n where n.left_at is null and n.expires_at > now() and n.draining_at is null and first.kind = any(n.kinds)
        and windlass.serves(n.agent, n.pools, first.pool) limit %(cap)s) as few)
from first order by pool, kind

-- Everything that may hold a waiting task back. Lists and counts are bounded: a reason needs no thousand witnesses. Before it are only
-- those that can start: what is paused, too late, or of a kind that no live node takes is in nobody's way.
with place as (
  select id, kind, pool, priority, next_try_at, coalesce_key, slot_key, slot_limit, null::smallint as waits, false as is_claimed
  from windlass.ready where id = %(task)s
  union all
  select id, kind, pool, priority, next_try_at, coalesce_key, slot_key, slot_limit, null, false from windlass.deferred where id = %(task)s
  union all
  select id, kind, pool, priority, next_try_at, coalesce_key, slot_key, slot_limit, waits, false from windlass.blocked where id = %(task)s
  union all
  select id, kind, pool, priority, next_try_at, coalesce_key, null, null, null, true from windlass.running
  where id = %(task)s and started_at is null and interrupt_at is null
)
select p.id, p.kind, p.pool, p.priority, greatest(0, extract(epoch from p.next_try_at - now()))::float8, p.waits, p.is_claimed,
       (select slots from windlass.pool where name = p.pool),
       array(select r.id from windlass.running r where r.pool = p.pool and r.id <> p.id order by r.id limit 1000),
       (select paused_by from windlass.pool where name = p.pool),
       (select paused_by from windlass.kind where name = p.kind),
       (select count(*) from windlass.node n where n.agent is null and n.left_at is null and n.expires_at > now()),
       (select count(*) from windlass.node n where n.left_at is null and n.expires_at > now() and n.draining_at is null and p.kind = any(n.kinds)
          and windlass.serves(n.agent, n.pools, p.pool)),
       p.slot_key, p.slot_limit,
       array(select r.id from windlass.running r where r.slot_key = p.slot_key order by r.slot limit 1000),
       array(select d.waits_for from windlass.dependency d where d.task = p.id
             and not exists (select from windlass.outcome o where o.id = d.waits_for) order by d.waits_for limit 1000),
       (select t.id from windlass.under_way(p.kind, p.coalesce_key) as t where p.coalesce_key is not null and t.id <> p.id),
       (select count(*) from (
          select from windlass.ready r where r.pool = p.pool and r.next_try_at <= now() and r.id <> p.id
            and (r.start_by is null or r.start_by > now())
            and r.kind not in (select name from windlass.kind where paused_at is not null)
            and r.kind in (select unnest(n.kinds) from windlass.node n
                           where n.left_at is null and n.expires_at > now() and n.draining_at is null
                             and windlass.serves(n.agent, n.pools, p.pool))
            and (r.priority > p.priority or r.priority = p.priority and (r.next_try_at, r.id) < (p.next_try_at, p.id)) limit 1001) as ahead),
       (select count(*) from windlass.node n where n.left_at is null and n.expires_at > now() and n.draining_at is not null and p.kind = any(n.kinds)
          and windlass.serves(n.agent, n.pools, p.pool)),
       (select case when n.left_at is not null or n.expires_at <= now() then 3 when n.draining_at is not null then 2 else 1 end
        from windlass.agent a join windlass.node n on n.id = a.node where a.id = substr(p.pool, 7) and starts_with(p.pool, 'agent:')),
       exists (select from windlass.agent a where a.id = substr(p.pool, 7) and starts_with(p.pool, 'agent:') and p.kind = any(a.kinds)),
       (select n.renewed_at from windlass.agent a join windlass.node n on n.id = a.node where a.id = substr(p.pool, 7) and starts_with(p.pool, 'agent:'))
from place p

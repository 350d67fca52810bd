-- Best first, for a node whose lease is alive; rows that another claimer holds are passed over. Raises the attempt.
-- Starts at one frontier a priority, so that a claim never walks over the dead entries of what was claimed before it: under a held
-- snapshot a plain ordered claim fell from 63k/s to 21k/s. Rows commit out of order, so some arrive behind a frontier; `seen` looks at
-- what arrived since the last look and pulls the frontiers back (without it 163,176 of 504,312 tasks were stranded).
-- RETURNING has no order, so the node sorts again. No outer sort: it would lock a full page of each priority.
-- A task of a concurrency key takes the nth free slot of its key; the unique index on (slot_key, slot) is the limit. One that finds
-- no slot is parked in `blocked`, out of the frontier's way.
with gate as materialized (
  select array(select k from unnest(%(kinds)s::text[]) as k where k not in (select name from windlass.kind where paused_at is not null)) as kinds
  where exists (select from windlass.node where id = %(node)s and left_at is null and expires_at > now())
    and not exists (select from windlass.pool where name = %(pool)s and paused_at is not null)
), seen as materialized (
  select priority, min(next_try_at) as at from windlass.ready
  -- Not the bare column: with stale statistics the planner walked over all of the pool in the claim's index.
  where pool || '' = %(pool)s and arrived >= %(since)s::text::xid8
  group by priority
), frontier as materialized (
  select coalesce(f.priority, seen.priority) as priority, case when f.at < seen.at then f.at else coalesce(seen.at, f.at) end as at,
         case when f.at < seen.at or seen.at is null then f.id else 0 end as id
  from unnest(%(priorities)s::smallint[], %(ats)s::timestamptz[], %(ids)s::bigint[]) as f(priority, at, id)
  full join seen on seen.priority = f.priority
  order by 1 desc
), picked as (
  select best.ctid from gate, frontier cross join lateral (
    select r.ctid from windlass.ready r
    where r.pool = %(pool)s and r.priority = frontier.priority and (r.next_try_at, r.id) > (frontier.at, frontier.id)
      and r.next_try_at <= now() and r.kind = any(gate.kinds) and (r.start_by is null or r.start_by > now())
    order by r.next_try_at, r.id
    limit %(limit)s
    for update skip locked
  ) as best
  limit %(limit)s
), taken as (
  delete from windlass.ready where ctid = any(array(select ctid from picked)) returning *
), slotted as (
  select keyed.id, free.slot
  from (select id, slot_key, slot_limit, row_number() over (partition by slot_key order by priority desc, next_try_at, id) as nth
        from taken where slot_key is not null) as keyed
  cross join lateral (
    select n as slot from generate_series(1, keyed.slot_limit) as n
    where not exists (select from windlass.running r where r.slot_key = keyed.slot_key and r.slot = n)
      -- Others of the key may have had a higher limit, and slots beyond this one's.
      and keyed.nth + (select count(*) from windlass.running r where r.slot_key = keyed.slot_key) <= keyed.slot_limit
    order by n offset keyed.nth - 1 limit 1) as free
), held as (
  insert into windlass.running (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, start_by, node)
  select id, kind, pool, priority, next_try_at, attempt + 1, uncounted, origin, coalesce_key, start_by, %(node)s from taken where slot_key is null
), slots_held as (
  insert into windlass.running (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by, slot, node)
  select id, kind, pool, priority, next_try_at, attempt + 1, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by, slot, %(node)s
  from taken join slotted using (id)
  -- Sorted, so that two claimers can't wait for each other's slots.
  order by slot_key, slot
  on conflict (slot_key, slot) where slot_key is not null do nothing
  returning id
), parked as (
  insert into windlass.blocked (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by, waits)
  select id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by, 1
  from taken where slot_key is not null and id not in (select id from slots_held)
  returning id
), looked as materialized (
  select case when %(since)s::text is null then null else jsonb_build_object(
           'xmin', pg_snapshot_xmin(pg_current_snapshot())::text,
           'kinds', (select kinds from gate),
           'seen', (select jsonb_agg(jsonb_build_array(priority, extract(epoch from at))) from seen)) end as look
)
select looked.look, (select count(*) from parked), claimed.*
from looked left join (
  select taken.id, taken.attempt + 1, taken.uncounted, task.kind, taken.priority, taken.next_try_at, task.payload, task.title,
         task.trigger, task.initiator, task.labels, task.created_at, task.attempt_limit, task.retry_pause, task.run_limit,
         task.silence_limit, taken.coalesce_key, taken.slot_key, taken.origin, task.trace
  -- One look by id for each, whatever the planner believes of the tables: this plan is kept.
  from taken cross join lateral (select * from windlass.task where task.id = taken.id offset 0) as task
  where taken.slot_key is null or taken.id in (select id from slots_held)
) as claimed on true

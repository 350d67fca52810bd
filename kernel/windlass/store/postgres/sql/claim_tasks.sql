-- Best first, for a node whose lease is alive; rows that another claimer holds are passed over. Raises the attempt.
-- Starts at one frontier a priority, so that a claim never walks over the dead entries of what was claimed before it: under a held
-- snapshot a plain ordered claim fell from 63k/s to 21k/s. Rows commit out of order, so some arrive behind a frontier; `seen` looks at
-- what arrived since the last look and pulls the frontiers back (without it 163,176 of 504,312 tasks were stranded).
-- RETURNING has no order, so the node sorts again. No outer sort: it would lock a full page of each priority.
with seen as materialized (
  select priority, min(next_try_at) as at from windlass.ready
  where pool = %(pool)s and arrived >= %(since)s::text::xid8
  group by priority
), frontier as materialized (
  select coalesce(f.priority, seen.priority) as priority, case when f.at < seen.at then f.at else coalesce(seen.at, f.at) end as at,
         case when f.at < seen.at or seen.at is null then f.id else 0 end as id
  from unnest(%(priorities)s::smallint[], %(ats)s::timestamptz[], %(ids)s::bigint[]) as f(priority, at, id)
  full join seen on seen.priority = f.priority
  order by 1 desc
), picked as (
  select best.ctid from frontier cross join lateral (
    select r.ctid from windlass.ready r
    where r.pool = %(pool)s and r.priority = frontier.priority and (r.next_try_at, r.id) > (frontier.at, frontier.id)
      and r.next_try_at <= now() and r.kind = any(%(kinds)s::text[])
      and exists (select from windlass.node where id = %(node)s and left_at is null and expires_at > now())
    order by r.next_try_at, r.id
    limit %(limit)s
    for update skip locked
  ) as best
  limit %(limit)s
), taken as (
  delete from windlass.ready where ctid = any(array(select ctid from picked)) returning *
), held as (
  insert into windlass.running (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, node)
  select id, kind, pool, priority, next_try_at, attempt + 1, uncounted, origin, %(node)s from taken
), looked as materialized (
  select case when %(since)s::text is null then null else jsonb_build_object(
           'xmin', pg_snapshot_xmin(pg_current_snapshot())::text,
           'seen', (select jsonb_agg(jsonb_build_array(priority, extract(epoch from at))) from seen)) end as look
)
select looked.look, id, taken.attempt + 1, taken.uncounted, task.kind, task.priority, taken.next_try_at, task.payload, task.title,
       task.trigger, task.initiator, task.labels, task.created_at, task.attempt_limit, task.retry_pause
from looked left join (taken join windlass.task using (id)) on true

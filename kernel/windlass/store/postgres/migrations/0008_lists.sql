-- Which table a place is in, so that a question about some of them never looks at the others: 0 running, 1 ready, 2 deferred,
-- 3 blocked, 4 outcome.
create or replace view windlass.place as
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, started_at, null::timestamptz as ended_at, node, stage,
         progress_current, progress_total, null::text as message, null::jsonb as result,
         (case when interrupt_at is not null then 3 when started_at is null then 1 else 2 end)::smallint as state, 0::smallint as home
  from windlass.running
  union all
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, null, null, null, null, null, null, null, null, 1::smallint, 1::smallint
  from windlass.ready
  union all
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, null, null, null, null, null, null, null, null, 1::smallint, 2::smallint
  from windlass.deferred
  union all
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, null, null, null, null, null, null, null, null, 1::smallint, 3::smallint
  from windlass.blocked
  union all
  select id, kind, null, priority, origin, attempt, uncounted, null, started_at, ended_at, node, null, null, null, message, result, state, 4::smallint
  from windlass.outcome;

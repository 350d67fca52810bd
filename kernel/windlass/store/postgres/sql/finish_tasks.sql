-- Accepts how attempts ended, mixed verdicts in one statement. The fence: the running row must still carry this attempt and node.
-- An interrupted task ends as CANCELED whatever its handler returned. Verdicts: 2 success, 3 failed, 4 retry, 5 canceled, 7 returned.
-- Rows are locked in id order; unsorted, this deadlocked against bulk interrupts (2 in 80 batches).
-- `opens`: other tasks may have waited for this one's slot, key or end; release_*.sql looks at them after this commit.
with ended as (
  select * from unnest(%(tasks)s::bigint[], %(attempts)s::int[], %(verdicts)s::smallint[], %(started_ages)s::float8[],
                       %(ended_ages)s::float8[], %(messages)s::text[], %(results)s::text[], %(pauses)s::float8[])
    as e(id, attempt, verdict, started_age, ended_age, message, result, pause)
), held as materialized (
  select r.id, r.kind, r.pool, r.priority, r.next_try_at, r.attempt, r.uncounted, r.origin, r.coalesce_key, r.slot_key, r.slot_limit,
         case when coalesce(r.started_at, now() - e.started_age * interval '1 second') is null then r.start_by end as start_by,
         case when r.interrupt_at is null then e.verdict else 5::smallint end as verdict,
         coalesce(r.started_at, now() - e.started_age * interval '1 second') as started_at,
         now() - e.ended_age * interval '1 second' as ended_at,
         case when r.interrupt_at is null then e.message else concat_ws(
           '; ', 'interrupted by ' || r.interrupt_by || coalesce(': ' || nullif(r.interrupt_reason, ''), ''), nullif(e.message, '')) end as message,
         e.result, e.pause
  -- One look by id for each: with statistics from an idle hour the planner read all of running for each end (30k/s fell to 8k/s).
  from (select * from ended order by id) as e
  cross join lateral (
    select * from windlass.running where running.id = e.id and running.attempt = e.attempt and running.node = %(node)s for update) as r
), released as (
  delete from windlass.running where id = any(array(select id from held))
), over as (
  insert into windlass.outcome (id, state, priority, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message, result)
  select id, verdict + 2 - (verdict = 5)::int, priority, kind, origin, attempt, uncounted, verdict, %(node)s, started_at, ended_at, message, result::jsonb
  from held where verdict in (2, 3, 5)
), tried as (
  insert into windlass.attempt (task, attempt, verdict, node, started_at, ended_at, message, next_try_at)
  select id, attempt, verdict, %(node)s, started_at, ended_at, message,
         case when verdict = 4 then now() + pause * interval '1 second' else next_try_at end
  from held where verdict = 4 or (verdict = 7 and started_at is not null)
), again as (
  insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit)
  select id, kind, pool, priority, now() + pause * interval '1 second', attempt, uncounted, origin, coalesce_key, slot_key, slot_limit
  from held where verdict = 4 and pause > 0
), back as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, case when verdict = 4 then now() else next_try_at end, attempt,
         uncounted + (verdict = 7)::int, origin, coalesce_key, slot_key, slot_limit, start_by
  from held where (verdict = 4 and pause <= 0) or verdict = 7
)
select id, verdict, slot_key is not null or coalesce_key is not null
                    -- Asked once first: a look for each task cost as much as its end.
                    or ((select exists (select from windlass.dependency))
                        and exists (select from windlass.dependency d where d.waits_for = held.id)) as opens
from held

-- The queue: what runs by id, then what waits in claim order. Each branch stops at the page's size; nothing is counted, and the
-- large columns stay where they are.
with running as (
  select 0 as section, id, priority, next_try_at from windlass.running
  where %(section)s = 0 and id > %(id)s order by id limit %(limit)s
), ready as (
  select 1, id, priority, next_try_at from windlass.ready
  where (0 - priority, next_try_at, id) > (%(rank)s, %(next_try_at)s::timestamptz, %(id)s)
  order by 0 - priority, next_try_at, id limit %(limit)s
), deferred as (
  select 1, id, priority, next_try_at from windlass.deferred
  where (0 - priority, next_try_at, id) > (%(rank)s, %(next_try_at)s::timestamptz, %(id)s)
  order by 0 - priority, next_try_at, id limit %(limit)s
), blocked as (
  select 1, id, priority, next_try_at from windlass.blocked
  where (0 - priority, next_try_at, id) > (%(rank)s, %(next_try_at)s::timestamptz, %(id)s)
  order by 0 - priority, next_try_at, id limit %(limit)s
), listed as (
  select * from (select * from running union all select * from ready union all select * from deferred union all select * from blocked) as every
  order by section, case when section = 0 then 0 else -priority end, case when section = 0 then null else next_try_at end, id
  limit %(limit)s
)
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, node.name, place.stage, place.progress_current, place.progress_total, place.message, null::jsonb, task.trace,
       listed.section
from listed join windlass.task using (id) join windlass.place using (id) left join windlass.node on node.id = place.node
order by section, case when section = 0 then 0 else -listed.priority end,
         case when section = 0 then null else listed.next_try_at end, id

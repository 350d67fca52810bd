-- list_active.sql with a filter (put together in filters.py), applied on the way along the keys; it stops at the page's size.
with running as (
  select 0 as section, place.id, place.priority, place.next_try_at
  from windlass.place join windlass.task on task.id = place.id
  where place.home = 0 and %(section)s = 0 and place.id > %(id)s and {condition}
  order by place.id limit %(limit)s
), waiting as (
  select 1, place.id, place.priority, place.next_try_at
  from windlass.place join windlass.task on task.id = place.id
  where place.home in (1, 2, 3) and (0 - place.priority, place.next_try_at, place.id) > (%(rank)s, %(next_try_at)s::timestamptz, %(id)s)
    and {condition}
  order by 0 - place.priority, place.next_try_at, place.id limit %(limit)s
), listed as (
  select * from (select * from running union all select * from waiting) as every
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

-- Newest first: what has ended, and what was claimed at least once. Each branch stops at the page's size; nothing is counted,
-- and the large columns stay where they are.
with listed as (
  (select id from windlass.outcome
    where id < %(before)s and (%(origin)s::smallint is null or origin = %(origin)s) order by id desc limit %(limit)s)
  union all
  (select id from windlass.running
    where id < %(before)s and (started_at is not null or attempt > 1) and (%(origin)s::smallint is null or origin = %(origin)s) order by id desc limit %(limit)s)
  union all
  (select id from windlass.ready
    where attempt > 0 and id < %(before)s and (%(origin)s::smallint is null or origin = %(origin)s) order by id desc limit %(limit)s)
  union all
  (select id from windlass.deferred
    where attempt > 0 and id < %(before)s and (%(origin)s::smallint is null or origin = %(origin)s) order by id desc limit %(limit)s)
  union all
  (select id from windlass.blocked
    where attempt > 0 and id < %(before)s and (%(origin)s::smallint is null or origin = %(origin)s) order by id desc limit %(limit)s)
  order by id desc limit %(limit)s
)
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, node.name, place.stage, place.progress_current, place.progress_total, place.message, null::jsonb, task.trace
from listed join windlass.task using (id) join windlass.place using (id) left join windlass.node on node.id = place.node
order by id desc

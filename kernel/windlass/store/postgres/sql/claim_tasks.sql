-- Best first, for a node whose lease is alive; rows that another claimer holds are passed over. Raises the attempt.
-- RETURNING has no order, so the node sorts again.
with picked as (
  select ctid from windlass.ready
  where pool = %(pool)s and next_try_at <= now() and kind = any(%(kinds)s::text[])
    and exists (select from windlass.node where id = %(node)s and left_at is null and expires_at > now())
  order by priority desc, next_try_at, id
  limit %(limit)s
  for update skip locked
), taken as (
  delete from windlass.ready where ctid = any(array(select ctid from picked)) returning *
), held as (
  insert into windlass.running (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, node)
  select id, kind, pool, priority, next_try_at, attempt + 1, uncounted, origin, %(node)s from taken
)
select id, taken.attempt + 1, taken.uncounted, task.kind, task.priority, taken.next_try_at, task.payload, task.title,
       task.trigger, task.initiator, task.labels, task.created_at, task.attempt_limit, task.retry_pause
from taken join windlass.task using (id)

-- Tasks in the queue that pass a filter, in an order, after a place in it: put together in filters.py.
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, (select name from windlass.node where node.id = place.node), place.stage, place.progress_current, place.progress_total, place.message, null::jsonb, task.trace
from windlass.place join windlass.task on task.id = place.id
where place.home < 4
  and {after}
  and {condition}
order by {order}
limit %(limit)s

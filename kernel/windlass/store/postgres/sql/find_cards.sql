-- Cards that pass a filter, in an order, after a place in it (put together in filters.py). In the order of ids it goes along the keys,
-- whichever of the two tables the planner takes first, and stops at the page's size; any other order looks at all that passes.
-- Sets of partitions that were closed before the time that the filter begins with are left out: whoever got an id of theirs
-- began before that. So are the tasks that are newer than the newest card, which may be a million in the queue.
with span as (
  select greatest(%(lowest)s, (select max(lower) from windlass.partition_set where opened_at + interval '5 minutes' <= {since})) as lowest,
         least(%(highest)s, greatest(
           (select max(id) from windlass.outcome), (select max(id) from windlass.running), (select max(id) from windlass.ready where attempt > 0),
           (select max(id) from windlass.deferred where attempt > 0), (select max(id) from windlass.blocked where attempt > 0))) as highest
)
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, (select name from windlass.node where node.id = place.node), place.stage, place.progress_current, place.progress_total, place.message, null::jsonb, task.trace
from windlass.place join windlass.task on task.id = place.id
where (place.state >= 4 or place.started_at is not null or place.attempt > case when place.node is null then 0 else 1 end)
  and place.id between (select lowest from span) and (select highest from span)
  and task.id between (select lowest from span) and (select highest from span)
  and {after}
  and {condition}
order by {order}
limit %(limit)s

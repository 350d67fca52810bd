-- Cards that pass a filter, in an order, after a place in it (all three put together in filters.py). In the order of ids it walks along
-- the keys and stops at the page's size; any other order looks at everything that passes. Sets of partitions that were
-- closed before the time that the filter begins with are left out: whoever got an id of theirs began before that.
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, node.name, place.stage, place.progress_current, place.progress_total, place.message, null::jsonb, task.trace
from windlass.place join windlass.task using (id) left join windlass.node on node.id = place.node
where (place.state >= 4 or place.started_at is not null or place.attempt > case when place.node is null then 0 else 1 end)
  and place.id >= coalesce((select max(lower) from windlass.partition_set where opened_at + interval '5 minutes' <= {since}), 0)
  and {after}
  and {condition}
order by {order}
limit %(limit)s

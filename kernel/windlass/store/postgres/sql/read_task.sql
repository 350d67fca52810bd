-- One task: what was asked, and where it stands. For a caller with a scope only those of its pools exist.
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, task.payload,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, node.name, place.stage, place.progress_current, place.progress_total, place.message, place.result, task.trace
from windlass.task join windlass.place using (id) left join windlass.node on node.id = place.node
where task.id = %(task)s and (cardinality(%(pools)s::text[]) = 0 or task.pool = any(%(pools)s::text[]))

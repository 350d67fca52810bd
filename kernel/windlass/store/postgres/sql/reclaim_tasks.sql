-- What a node holds without knowing it: the answer to its claim was lost after the commit. Same columns as claim_tasks.sql.
select id, running.attempt, running.uncounted, task.kind, running.priority, running.next_try_at, task.payload, task.title,
       task.trigger, task.initiator, task.labels, task.created_at, task.attempt_limit, task.retry_pause, task.run_limit,
       task.silence_limit, running.coalesce_key, running.slot_key, running.origin, task.trace
from windlass.running join windlass.task using (id)
where node = %(node)s and running.pool = %(pool)s and started_at is null and id <> all(%(known)s::bigint[])

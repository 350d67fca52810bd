-- What agents hold and have not started, or what of theirs is being interrupted.
select node, id, pool, started_at is not null, interrupt_by, coalesce(interrupt_reason, '')
from windlass.running where node = any(%(epochs)s::bigint[]) and (started_at is null or interrupt_at is not null)
order by id

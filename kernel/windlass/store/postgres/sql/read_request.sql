-- What was asked, to be asked again.
select kind, title, priority, pool, trigger, origin, initiator, labels, payload, attempt_limit, retry_pause, coalesce_key, slot_key,
       slot_limit, start_within, run_limit, silence_limit
from windlass.task where id = %(task)s

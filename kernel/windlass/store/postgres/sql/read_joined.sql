-- The requests that joined these tasks, in the order of their coming.
select task, at, running, trigger, origin, initiator, payload from windlass.joined
where task = any(%(tasks)s::bigint[]) order by task, sequence

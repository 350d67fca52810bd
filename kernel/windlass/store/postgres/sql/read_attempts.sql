-- The attempts of a task, oldest first: those that ended, the last one, and the one that runs.
select attempt, verdict, node.name, started_at, ended_at, message
from (
  select attempt, verdict, node, started_at, ended_at, message from windlass.attempt where task = %(task)s
  union all
  select attempt, verdict, node, started_at, ended_at, message from windlass.outcome where id = %(task)s and node is not null
  union all
  select attempt, 1, node, started_at, null, '' from windlass.running where id = %(task)s and started_at is not null
) as tried
left join windlass.node on node.id = tried.node
order by attempt

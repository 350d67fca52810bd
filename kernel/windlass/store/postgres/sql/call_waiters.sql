-- Those of a node's waiters who should enter now: next at a lane that is free (or whose holder no longer runs), or without a
-- ticket, or no longer running. A look without locks: entering decides.
select asked.lane, asked.task, asked.attempt, asked.node
from unnest(%(lanes)s::text[], %(tasks)s::bigint[], %(attempts)s::integer[], %(nodes)s::bigint[]) as asked(lane, task, attempt, node)
left join windlass.lane_wait w using (lane, task, attempt, node)
where w.ticket is null
  or not exists (select from windlass.running r where r.id = asked.task and r.attempt = asked.attempt and r.node = asked.node)
  or (not exists (select from windlass.lane l
                  join windlass.running r on r.id = l.task and r.attempt = l.attempt and r.node = l.node
                  where l.name = asked.lane)
      and not exists (select from windlass.lane_wait earlier
                      join windlass.running r on r.id = earlier.task and r.attempt = earlier.attempt and r.node = earlier.node
                      where earlier.lane = asked.lane and earlier.ticket < w.ticket))

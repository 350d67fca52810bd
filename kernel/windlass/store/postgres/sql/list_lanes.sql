-- Every lane with its holder (ticket 0) and its waiters in order; those that no longer run are left out. One row of nulls for a
-- lane that nobody wants.
with standing as (
  select name as lane, 0::bigint as ticket, task, attempt, node, since from windlass.lane
  union all
  select lane, ticket, task, attempt, node, at from windlass.lane_wait
), live as (
  select standing.* from standing
  join windlass.running r on r.id = standing.task and r.attempt = standing.attempt and r.node = standing.node
)
select lane.name, lane.fence, live.ticket, live.task, live.attempt, node.name, live.since
from windlass.lane left join live on live.lane = lane.name left join windlass.node on node.id = live.node
order by lane.name, live.ticket

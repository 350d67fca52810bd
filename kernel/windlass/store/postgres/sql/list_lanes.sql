-- A page of lanes, each with its holder (ticket 0) and its waiters in order; those that no longer run are left out. One row of nulls for
-- a lane that nobody wants.
with page as (
  select * from windlass.lane where name > %(after)s order by name limit %(limit)s::bigint
), standing as (
  select name as lane, 0::bigint as ticket, task, attempt, node, since from page
  union all
  select w.lane, w.ticket, w.task, w.attempt, w.node, w.at from page join windlass.lane_wait w on w.lane = page.name
), live as (
  select standing.* from standing
  join windlass.running r on r.id = standing.task and r.attempt = standing.attempt and r.node = standing.node
)
select page.name, page.fence, live.ticket, live.task, live.attempt, node.name, live.since
from page left join live on live.lane = page.name left join windlass.node on node.id = live.node
order by page.name, live.ticket

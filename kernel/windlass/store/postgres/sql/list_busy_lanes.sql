-- Lanes that somebody is in, or waits for: the first by name, each with its holder (ticket 0) and the first of its line. Those that no
-- longer run are left out: each is one look by id, and the limits keep it so.
with standing as (
  select l.name, l.fence, s.* from windlass.lane l cross join lateral (
    select 0::bigint as ticket, l.task, l.attempt, l.node, l.since where l.task is not null
    union all
    (select w.ticket, w.task, w.attempt, w.node, w.at from windlass.lane_wait w where w.lane = l.name order by w.ticket limit %(line)s)
  ) as s
), live as (
  select standing.*, r.pool from standing cross join lateral (
    select pool from windlass.running where id = standing.task and attempt = standing.attempt and node = standing.node limit 1) as r
), busy as (
  select distinct name from live order by name limit %(lanes)s
)
select live.name, live.fence, live.ticket, live.task, live.attempt, node.name, live.since, live.pool
from live join busy using (name) left join windlass.node on node.id = live.node
order by live.name, live.ticket

-- Lanes that somebody is in, or waits for: the first by name, each with its holder (ticket 0) and the first of its line. Those that no
-- longer run are left out.
with busy as (
  select l.name, l.fence from windlass.lane l
  where exists (select from windlass.running r where r.id = l.task and r.attempt = l.attempt and r.node = l.node)
     or exists (select from windlass.lane_wait w join windlass.running r on r.id = w.task and r.attempt = w.attempt and r.node = w.node
                where w.lane = l.name)
  order by l.name limit %(lanes)s
), standing as (
  select busy.name, busy.fence, 0::bigint as ticket, l.task, l.attempt, l.node, l.since from busy join windlass.lane l using (name)
  union all
  select busy.name, busy.fence, w.ticket, w.task, w.attempt, w.node, w.at from busy cross join lateral (
    select * from windlass.lane_wait w where w.lane = busy.name order by w.ticket limit %(line)s) as w
)
select s.name, s.fence, s.ticket, s.task, s.attempt, node.name, s.since, r.pool
from standing s join windlass.running r on r.id = s.task and r.attempt = s.attempt and r.node = s.node
  left join windlass.node on node.id = s.node
order by s.name, s.ticket

-- By name, from a name on.
-- The newest tick is looked up in a range of one name: with "=" the planner may walk the whole ledger backwards for a schedule
-- that has no tick, when most of the ledger is another's.
select s.spec, s.paused, s.owner, s.revision, s.turn, s.created_at, s.since, s.resumed_at, s.next_at, s.last_task,
       (select p.id from windlass.place p where p.id = s.last_task and p.state < 4),
       t.id, t.schedule, t.due_at, t.at, t.outcome, t.reason, t.task
from windlass.schedule s
left join lateral (
  select * from windlass.tick where schedule between s.name and s.name order by schedule desc, id desc limit 1
) t on true
where s.name > %(after)s order by s.name limit %(limit)s

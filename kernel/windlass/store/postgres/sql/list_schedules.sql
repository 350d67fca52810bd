-- By name, from a name on.
select s.spec, s.paused, s.owner, s.revision, s.turn, s.created_at, s.since, s.resumed_at, s.next_at, s.last_task,
       (select p.id from windlass.place p where p.id = s.last_task and p.state < 4)
from windlass.schedule s where s.name > %(after)s order by s.name limit %(limit)s

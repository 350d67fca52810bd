-- The schedules whose time has come, longest due first, and the present time.
select s.spec, s.paused, s.owner, s.revision, s.turn, s.created_at, s.since, s.resumed_at, s.next_at, s.last_task,
       (select p.id from windlass.place p where p.id = s.last_task and p.state < 4),
       now()
from windlass.schedule s where s.next_at <= now() order by s.next_at, s.name limit %(limit)s

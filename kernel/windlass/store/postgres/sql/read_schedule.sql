-- One schedule. Its last task is not over while it has a place that is not final.
select s.spec, s.paused, s.owner, s.revision, s.turn, s.created_at, s.since, s.resumed_at, s.next_at, s.last_task,
       (select p.id from windlass.place p where p.id = s.last_task and p.state < 4)
from windlass.schedule s where s.name = %(name)s

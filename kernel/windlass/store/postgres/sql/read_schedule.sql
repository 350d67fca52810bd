-- One schedule. Its last task is not over while it has a place that is not final.
-- For its newest tick see list_schedules.sql.
select s.spec, s.paused, s.owner, s.revision, s.turn, s.created_at, s.since, s.resumed_at, s.next_at, s.last_task,
       (select p.id from windlass.place p where p.id = s.last_task and p.state < 4),
       t.id, t.schedule, t.due_at, t.at, t.outcome, t.reason, t.task
from windlass.schedule s
left join lateral (
  select * from windlass.tick where schedule between s.name and s.name order by schedule desc, id desc limit 1
) t on true
where s.name = %(name)s

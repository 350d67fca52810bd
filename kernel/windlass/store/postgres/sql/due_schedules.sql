-- The present time, the seconds to the next schedule that is not due yet, and the schedules that are, longest due first: one row of
-- nulls when none is.
select now(), (select extract(epoch from min(next_at) - now())::float8 from windlass.schedule where next_at > now()), due.*
from (values (1)) as one
left join lateral (
  select s.spec, s.paused, s.owner, s.revision, s.turn, s.created_at, s.since, s.resumed_at, s.next_at, s.last_task,
         (select p.id from windlass.place p where p.id = s.last_task and p.state < 4) as busy
  from windlass.schedule s where s.next_at <= now() order by s.next_at, s.name limit %(limit)s
) as due on true
order by due.next_at, due.spec ->> 'name'

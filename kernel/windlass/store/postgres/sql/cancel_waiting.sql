-- Ends a task that waits. A claim that is under way wins: then nothing comes back, and the running row gets the flag instead.
with gone as (
  delete from windlass.ready where id = %(task)s returning id, kind, origin, attempt, uncounted
), put_off as (
  delete from windlass.deferred where id = %(task)s returning id, kind, origin, attempt, uncounted
)
insert into windlass.outcome (id, state, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message)
select id, 6, kind, origin, attempt, uncounted, 5, null, null, now(), %(message)s
from (select * from gone union all select * from put_off) as waiting
returning id

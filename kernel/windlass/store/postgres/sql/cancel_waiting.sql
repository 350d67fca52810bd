-- Ends a task that waits. A claim that is under way wins: then nothing comes back, and the running row gets the flag instead.
-- Skips a locked row (somebody joins the task, maybe for as long as his transaction takes): the caller looks again.
with ready as (
  delete from windlass.ready where ctid = any(array(select ctid from windlass.ready where id = %(task)s for update skip locked))
  returning id, priority, kind, origin, attempt, uncounted
), deferred as (
  delete from windlass.deferred where ctid = any(array(select ctid from windlass.deferred where id = %(task)s for update skip locked))
  returning id, priority, kind, origin, attempt, uncounted
), blocked as (
  delete from windlass.blocked where ctid = any(array(select ctid from windlass.blocked where id = %(task)s for update skip locked))
  returning id, priority, kind, origin, attempt, uncounted
), freed as (
  delete from windlass.dependency where task = %(task)s and exists (select from blocked)
)
insert into windlass.outcome (id, priority, kind, origin, attempt, uncounted, state, verdict, node, started_at, ended_at, message)
select *, 6, 5, null, null, now(), %(message)s
from (select * from ready union all select * from deferred union all select * from blocked) as waiting
returning id

-- Ends tasks that nobody started by their deadline; only for the leader of the term.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), ready as (
  delete from windlass.ready where ctid = any(array(
    select ctid from windlass.ready where start_by <= now() and exists (select from leads) limit %(limit)s for update skip locked))
  returning id, priority, kind, origin, attempt, uncounted
), deferred as (
  delete from windlass.deferred where ctid = any(array(
    select ctid from windlass.deferred where start_by <= now() and exists (select from leads) limit %(limit)s for update skip locked))
  returning id, priority, kind, origin, attempt, uncounted
), blocked as (
  delete from windlass.blocked where ctid = any(array(
    select ctid from windlass.blocked where start_by <= now() and exists (select from leads) limit %(limit)s for update skip locked))
  returning id, priority, kind, origin, attempt, uncounted
), freed as (
  delete from windlass.dependency where task in (select id from blocked)
), over as (
  insert into windlass.outcome (id, priority, kind, origin, attempt, uncounted, state, verdict, node, started_at, ended_at, message)
  select *, 5, 3, null, null, now(), 'it was not started by its deadline'
  from (select * from ready union all select * from deferred union all select * from blocked) as waiting
  returning 1
)
select count(*) from over

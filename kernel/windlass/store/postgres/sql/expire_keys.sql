-- Forgets coalesce keys whose last task has ended; only for the leader of the term. Who enqueues under a key that goes at this instant
-- makes the row anew.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), old as (
  select k.ctid from windlass.coalesce_key k
  where k.touched_at < now() - %(age)s * interval '1 second' and exists (select from leads)
    and (exists (select from windlass.outcome o where o.id = k.task) or not exists (select from windlass.task t where t.id = k.task))
  order by k.touched_at limit %(limit)s
  for update of k skip locked
), gone as (
  delete from windlass.coalesce_key where ctid = any(array(select ctid from old)) returning 1
)
select count(*) from gone

-- Forgets nodes that left long ago, once what they counted is merged; only for the leader of the term. History shows their tasks
-- without a name from then on.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), old as (
  select id from windlass.node n
  where coalesce(left_at, expires_at) < now() - %(age)s * interval '1 second' and expires_at < now() and exists (select from leads)
    and not exists (select from windlass.running r where r.node = n.id)
    and not exists (select from windlass.counter c where c.node = n.id)
    and not exists (select from windlass.agent a where a.node = n.id)
  order by id limit %(limit)s
  for update skip locked
), gone as (
  delete from windlass.node n using old where n.id = old.id returning n.id
)
select count(*) from gone

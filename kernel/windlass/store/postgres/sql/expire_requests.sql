-- Forgets request ids that are old; only for the leader of the term.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), old as (
  select id from windlass.request
  where created_at < now() - %(age)s * interval '1 second' and exists (select from leads)
  order by created_at limit %(limit)s
  for update skip locked
), gone as (
  delete from windlass.request r using old where r.id = old.id returning r.id
)
select count(*) from gone

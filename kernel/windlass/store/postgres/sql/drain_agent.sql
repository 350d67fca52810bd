-- Lets an agent take no more tasks, now and after its next start, or take them again.
with drained as (
  update windlass.agent set draining_at = case when %(draining)s then coalesce(draining_at, now()) end where id = %(id)s and node <> 0
  returning node, draining_at
), told as (
  update windlass.node n set draining_at = drained.draining_at from drained where n.id = drained.node
)
select pg_notify('windlass', %(hint)s) from drained

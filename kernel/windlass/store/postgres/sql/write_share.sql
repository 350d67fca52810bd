-- A node's new share; what dead nodes had is gone.
with gone as (
  delete from windlass.pool_share s using windlass.node n
  where s.pool = %(pool)s and n.id = s.node and (n.left_at is not null or n.expires_at <= now())
)
insert into windlass.pool_share (pool, node, slots, in_use, hungry) values (%(pool)s, %(node)s, %(slots)s, %(in_use)s, %(hungry)s)
on conflict (pool, node) do update set slots = excluded.slots, in_use = excluded.in_use, hungry = excluded.hungry

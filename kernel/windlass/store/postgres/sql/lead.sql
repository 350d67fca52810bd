-- Takes or keeps the leadership; a new leader gets a new term. Comes back empty when another node leads.
insert into windlass.leader as l (name, node, term, expires_at)
select 'maintenance', id, 1, now() + %(lease)s * interval '1 second'
from windlass.node where id = %(node)s and left_at is null and expires_at > now()
on conflict (name) do update set
  term = l.term + (l.node <> excluded.node)::int, node = excluded.node, expires_at = excluded.expires_at
where l.node = excluded.node or l.expires_at <= now()
   or not exists (select from windlass.node n where n.id = l.node and n.left_at is null and n.expires_at > now())
returning term

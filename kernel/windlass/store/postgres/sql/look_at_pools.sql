-- Pools with the shares of live nodes. Whether something that this node can run is due is only looked up where it is `unsure`: under a
-- held snapshot that look walks over every dead entry, which claims do not.
select p.name, p.slots, p.paused_by,
       p.name = any(%(unsure)s::text[]) and exists (select from windlass.ready r where r.pool = p.name and r.kind = any(%(kinds)s::text[]) and r.next_try_at <= now()) as has_due,
       coalesce(s.nodes, '{}'), coalesce(s.slots, '{}'), coalesce(s.in_use, '{}'), coalesce(s.hungry, '{}')
from windlass.pool p left join lateral (
  select array_agg(s.node) as nodes, array_agg(s.slots) as slots, array_agg(s.in_use) as in_use, array_agg(s.hungry) as hungry
  from windlass.pool_share s join windlass.node n on n.id = s.node
  where s.pool = p.name and n.left_at is null and n.expires_at > now()
) as s on true
order by p.name

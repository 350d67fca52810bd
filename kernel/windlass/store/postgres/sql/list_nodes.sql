-- Nodes as people see them, without the epochs of agents: those that live, by id, then those that went lately. Shares of nodes that went are nobody's.
with seen as (
  select n.*, n.left_at is null and n.expires_at > now() as is_live from windlass.node n
  where n.agent is null and coalesce(n.left_at, n.expires_at) > now() - %(gone)s * interval '1 second'
), held as (
  select node, count(*) as tasks from windlass.running group by node
)
select n.id, n.name, n.version,
       case when n.is_live then case when n.draining_at is null then 1 else 2 end when n.left_at is not null and not n.is_lost then 3 else 4 end,
       n.joined_at, n.renewed_at, n.expires_at,
       n.is_live and exists (select from windlass.leader l where l.node = n.id and l.expires_at > now()),
       n.kinds, coalesce(held.tasks, 0), coalesce(s.pools, '{}'), coalesce(s.slots, '{}'), coalesce(s.in_use, '{}')
from seen n left join held on held.node = n.id left join lateral (
  select array_agg(s.pool order by s.pool) as pools, array_agg(s.slots order by s.pool) as slots, array_agg(s.in_use order by s.pool) as in_use
  from windlass.pool_share s where s.node = n.id and n.is_live
) as s on true
order by n.is_live desc, n.id

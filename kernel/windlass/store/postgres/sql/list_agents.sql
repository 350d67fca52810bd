-- Agents as people see them.
select a.id, a.node, case when n.left_at is not null or n.expires_at <= now() then 3 when n.draining_at is not null then 2 else 1 end,
       n.host, a.pools, a.slots, a.kinds, a.created_at, n.joined_at, n.renewed_at, n.expires_at, a.peer, a.server,
       (select count(*) from windlass.running r where r.node = a.node)
from windlass.agent a join windlass.node n on n.id = a.node
order by a.id

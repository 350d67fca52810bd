-- The epoch of an agent, while it lives.
select n.id, n.machine, n.pid, n.pid_started, n.joined_at, n.renewed_at, a.peer
from windlass.agent a join windlass.node n on n.id = a.node
where a.id = %(id)s and n.left_at is null and n.expires_at > now()

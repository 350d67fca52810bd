-- Extends the leases of many agents at once, in the order of their ids; one that has run out stays so.
update windlass.node set renewed_at = now(), expires_at = now() + %(lease)s * interval '1 second'
from (select id from windlass.node where id = any(%(epochs)s::bigint[]) and left_at is null and expires_at > now() order by id for update) as alive
where node.id = alive.id
returning node.id, node.draining_at is not null

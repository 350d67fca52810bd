-- Kinds as people see them.
select k.name, k.pool, k.attempts, k.pause, k.paused_by, k.reason, k.paused_at,
       (select count(*) from windlass.node n where n.left_at is null and n.expires_at > now() and k.name = any(n.kinds))
from windlass.kind k order by k.name

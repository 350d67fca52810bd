-- A new start of an agent; the agent's row is locked by then, and no epoch of it lives.
with joined as (
  insert into windlass.node (name, machine, pid, pid_started, kinds, version, renewed_at, expires_at, draining_at, agent, pools, host)
  select 'agent ' || a.id, %(machine)s, %(pid)s, %(pid_started)s, %(kinds)s, %(version)s, now(),
         now() + %(lease)s * interval '1 second', a.draining_at, a.id, %(pools)s, %(host)s::jsonb
  from windlass.agent a where a.id = %(id)s
  returning id
)
update windlass.agent set node = joined.id, pools = %(pools)s, slots = %(slots)s, kinds = %(kinds)s, roles = %(roles)s::smallint[], peer = %(peer)s, server = %(server)s
from joined where agent.id = %(id)s
returning joined.id

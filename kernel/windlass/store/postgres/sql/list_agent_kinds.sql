-- The kinds of all agents, with what was registered of them; where agents demand different roles, the highest.
select k.name, k.pool, k.attempts, k.pause, k.start_within, k.run_limit, k.silence_limit, k.joins_running, said.role
from windlass.kind k join (
  select u.name, max(u.role) as role from windlass.agent a cross join lateral unnest(a.kinds, a.roles) as u(name, role) group by u.name
) as said on said.name = k.name
order by k.name

-- How many nodes and agents are alive, how many of each are drained, and which of the newest were lost lately: proved dead, or with a lease that ran out before they left. Who
-- merges a gone node's counts ends its lease at its own end, so that still shows.
with newest as (
  select id, name, least(expires_at, coalesce(left_at, expires_at)) as last_alive_at,
         coalesce(case when is_lost then left_at end, case when expires_at <= now() and coalesce(left_at, expires_at) >= expires_at then expires_at end) as lost_at
  from windlass.node where agent is null order by id desc limit %(cap)s
)
select alive.nodes, alive.draining, alive.agents, alive.draining_agents,
       (select max(last_alive_at) from newest where last_alive_at <= now()),
       coalesce(lost.ids, '{}'), coalesce(lost.names, '{}'), coalesce(lost.ats, '{}')
from (select count(*) filter (where agent is null) as nodes, count(draining_at) filter (where agent is null) as draining,
             count(agent) as agents, count(draining_at) filter (where agent is not null) as draining_agents
      from ((select agent, draining_at from windlass.node where agent is null and left_at is null and expires_at > now() limit %(cap)s)
            union all
            (select agent, draining_at from windlass.node where agent is not null and left_at is null and expires_at > now() limit %(cap)s)) as few) as alive,
     (select array_agg(id order by lost_at desc) as ids, array_agg(name order by lost_at desc) as names, array_agg(lost_at order by lost_at desc) as ats
      from newest where lost_at > now() - %(window)s * interval '1 second') as lost

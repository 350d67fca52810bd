-- The kinds of all agents, with what was registered of them.
select k.name, k.pool, k.attempts, k.pause, k.start_within, k.run_limit, k.silence_limit, k.joins_running
from windlass.kind k where k.name in (select unnest(kinds) from windlass.agent)
order by k.name

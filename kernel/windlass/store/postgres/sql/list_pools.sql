-- Pools as people see them; `running` is no longer than all pools have slots, and what is claimed ahead.
select p.name, p.slots, (select count(*) from windlass.running r where r.pool = p.name and r.started_at is not null),
       p.paused_by, p.reason, p.paused_at
from windlass.pool p order by p.name

-- Those of the residents whose last task is over, or that never had one. A task that is over stays so, so this can't become wrong.
select asked.place, r.task
from unnest(%(kinds)s::text[], %(keys)s::text[]) with ordinality as asked(kind, key, place)
left join windlass.resident r using (kind, key)
where not exists (select from windlass.place p where p.id = r.task and p.state < 4)
order by asked.place

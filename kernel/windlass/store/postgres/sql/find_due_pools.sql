-- In which of these pools something is due: one look by the claim's index for each.
select p.name from unnest(%(pools)s::text[]) as p(name)
where exists (select from windlass.ready r where r.pool = p.name)

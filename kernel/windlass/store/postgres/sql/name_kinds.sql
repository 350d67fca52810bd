-- Kinds that no server has named before: what an agent says of the others is not asked for.
insert into windlass.kind (name, pool, attempts, pause, start_within, run_limit, silence_limit, joins_running)
select * from unnest(%(names)s::text[], %(pools)s::text[], %(attempts)s::smallint[], %(pauses)s::float8[], %(start_withins)s::float8[],
                     %(run_limits)s::float8[], %(silence_limits)s::float8[], %(joins_running)s::bool[])
  as a(name, pool, attempts, pause, start_within, run_limit, silence_limit, joins_running)
order by name
on conflict (name) do nothing

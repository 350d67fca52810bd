-- Kinds as the newest start of a node knows them; a pause stays.
insert into windlass.kind as k (name, pool, attempts, pause, start_within, run_limit, silence_limit, joins_running)
select * from unnest(%(names)s::text[], %(pools)s::text[], %(attempts)s::smallint[], %(pauses)s::float8[], %(start_withins)s::float8[],
                     %(run_limits)s::float8[], %(silence_limits)s::float8[], %(joins_running)s::bool[])
  as a(name, pool, attempts, pause, start_within, run_limit, silence_limit, joins_running)
order by name
on conflict (name) do update set
  pool = excluded.pool, attempts = excluded.attempts, pause = excluded.pause, start_within = excluded.start_within,
  run_limit = excluded.run_limit, silence_limit = excluded.silence_limit, joins_running = excluded.joins_running
where (k.pool, k.attempts, k.pause, k.start_within, k.run_limit, k.silence_limit, k.joins_running)
  is distinct from (excluded.pool, excluded.attempts, excluded.pause, excluded.start_within, excluded.run_limit, excluded.silence_limit, excluded.joins_running)

-- What running attempts said: starts, stages, progress, lines and output. Refused as a whole for an attempt that is superseded:
-- the running row is locked (in id order, like every writer of it) and its attempt and node are checked.
with told as (
  select * from unnest(%(tasks)s::bigint[], %(attempts)s::int[], %(started_ages)s::float8[], %(stages)s::text[],
                       %(progress_sequences)s::bigint[], %(progress_ages)s::float8[],
                       %(currents)s::bigint[], %(totals)s::bigint[])
    as t(id, attempt, started_age, stage, progress_sequence, progress_age, progress_current, progress_total)
), held as materialized (
  -- One look by id for each, whatever the statistics say of running.
  select r.id, r.attempt from (select id, attempt from told order by id) as t
  cross join lateral (
    select id, attempt from windlass.running where running.id = t.id and running.attempt = t.attempt and running.node = %(node)s
    for no key update) as r
), marked as (
  update windlass.running r set
    started_at        = coalesce(r.started_at, now() - told.started_age * interval '1 second'),
    stage             = coalesce(told.stage, r.stage),
    progress_sequence = coalesce(told.progress_sequence, r.progress_sequence),
    progress_at       = coalesce(now() - told.progress_age * interval '1 second', r.progress_at),
    progress_current  = coalesce(told.progress_current, r.progress_current),
    progress_total    = case when told.progress_sequence is null then r.progress_total else told.progress_total end
  from told join held using (id, attempt)
  where r.id = told.id and r.id = any(array(select id from held))
), lines as (
  insert into windlass.step (task, sequence, at, type, text, data)
  select l.task, l.sequence, now() - l.age * interval '1 second', l.type, l.text, l.data::jsonb
  from unnest(%(line_tasks)s::bigint[], %(line_sequences)s::bigint[], %(line_ages)s::float8[], %(line_types)s::smallint[],
              %(line_texts)s::text[], %(line_data)s::text[]) as l(task, sequence, age, type, text, data)
  join held on held.id = l.task and held.attempt = l.sequence / 10000000
  on conflict do nothing
), chunks as (
  insert into windlass.output (task, sequence, at, stream, data, dropped)
  select c.task, c.sequence, now() - c.age * interval '1 second', c.stream, c.data, c.dropped
  from unnest(%(chunk_tasks)s::bigint[], %(chunk_sequences)s::bigint[], %(chunk_ages)s::float8[], %(chunk_streams)s::smallint[],
              %(chunk_data)s::bytea[], %(chunk_dropped)s::bigint[]) as c(task, sequence, age, stream, data, dropped)
  join held on held.id = c.task and held.attempt = c.sequence / 10000000
  on conflict do nothing
)
select id from held

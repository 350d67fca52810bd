-- Stores requests with where they stand, and says one hint. A request id that is known already (or twice in this batch) makes no task
-- and comes back with task null: the winner may not be visible to this statement, so read_requests.sql looks after it.
-- Request ids are inserted in sorted order, so that two batches can't wait for each other. Requests with a coalesce key or
-- dependencies go another way (put_tasks.sql).
with asked as materialized (
  select *, nextval('windlass.task_id') as id
  from unnest(%(kinds)s::text[], %(titles)s::text[], %(priorities)s::smallint[], %(pools)s::text[], %(triggers)s::text[],
              %(origins)s::smallint[], %(initiators)s::text[], %(labels)s::text[], %(payloads)s::text[],
              %(attempt_limits)s::smallint[], %(retry_pauses)s::float8[], %(delays)s::float8[],
              %(request_ids)s::uuid[], %(body_hashes)s::bytea[], %(slot_keys)s::text[], %(slot_limits)s::smallint[],
              %(start_withins)s::float8[], %(run_limits)s::float8[], %(silence_limits)s::float8[], %(parents)s::bigint[], %(retry_ofs)s::bigint[],
              %(traces)s::text[])
    with ordinality as a(kind, title, priority, pool, trigger, origin, initiator, labels, payload,
                         attempt_limit, retry_pause, delay, request_id, body_hash, slot_key, slot_limit,
                         start_within, run_limit, silence_limit, parent, retry_of, trace, place)
), fresh as (
  insert into windlass.request (id, body_hash, task)
  select request_id, body_hash, id from asked where request_id is not null order by request_id, place
  on conflict do nothing
  returning task
), made as materialized (
  select *, now() + greatest(delay, 0) * interval '1 second' as due,
         now() + (greatest(delay, 0) + start_within) * interval '1 second' as start_by
  from asked where request_id is null or id in (select task from fresh)
), stored as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload, attempt_limit, retry_pause,
                             run_limit, silence_limit, start_within, slot_key, slot_limit, parent, retry_of, trace)
  select id, kind, title, priority, pool, trigger, origin, initiator, labels::jsonb, payload::jsonb, attempt_limit, retry_pause,
         run_limit, silence_limit, start_within, slot_key, slot_limit, parent, retry_of, trace
  from made
), due as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, start_by)
  select id, kind, pool, priority, due, 0, 0, origin, start_by from made where delay <= 0 and slot_key is null
), later as (
  insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, due, 0, 0, origin, slot_key, slot_limit, start_by from made where delay > 0
), gated as (
  insert into windlass.blocked (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, slot_key, slot_limit, start_by, waits)
  select id, kind, pool, priority, due, 0, 0, origin, slot_key, slot_limit, start_by, 1 from made where delay <= 0 and slot_key is not null
), told as materialized (
  select pg_notify('windlass', %(hint)s)
)
select made.id from asked left join made using (id) cross join told order by asked.place

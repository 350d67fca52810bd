-- Stores requests with where they stand, and says one hint. A request id that is known already (or twice in this batch) makes no task
-- and comes back with task null: the winner may not be visible to this statement, so read_requests.sql looks after it.
-- Request ids are inserted in sorted order, so that two batches can't wait for each other.
with asked as materialized (
  select *, nextval('windlass.task_id') as id
  from unnest(%(kinds)s::text[], %(titles)s::text[], %(priorities)s::smallint[], %(pools)s::text[], %(triggers)s::text[],
              %(origins)s::smallint[], %(initiators)s::text[], %(labels)s::text[], %(payloads)s::text[],
              %(attempt_limits)s::smallint[], %(retry_pauses)s::float8[], %(delays)s::float8[],
              %(request_ids)s::uuid[], %(body_hashes)s::bytea[])
    with ordinality as a(kind, title, priority, pool, trigger, origin, initiator, labels, payload,
                         attempt_limit, retry_pause, delay, request_id, body_hash, place)
), fresh as (
  insert into windlass.request (id, body_hash, task)
  select request_id, body_hash, id from asked where request_id is not null order by request_id, place
  on conflict do nothing
  returning task
), made as materialized (
  select * from asked where request_id is null or id in (select task from fresh)
), stored as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload, attempt_limit, retry_pause)
  select id, kind, title, priority, pool, trigger, origin, initiator, labels::jsonb, payload::jsonb, attempt_limit, retry_pause
  from made
), due as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
  select id, kind, pool, priority, now(), 0, 0, origin from made where delay <= 0
), later as (
  insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
  select id, kind, pool, priority, now() + delay * interval '1 second', 0, 0, origin from made where delay > 0
), told as materialized (
  select pg_notify('windlass', %(hint)s)
)
select made.id from asked left join made using (id) cross join told order by asked.place

-- Stores requests that may join another task, one by one and in the order of their keys, and those without a key in the order of their
-- request ids, so that two batches can't wait for each other.
select a.place, put.task, put.sort, put.first_hash, put.state, put.joined
from (
  select * from unnest(%(kinds)s::text[], %(titles)s::text[], %(priorities)s::smallint[], %(pools)s::text[], %(triggers)s::text[],
                       %(origins)s::smallint[], %(initiators)s::text[], %(labels)s::text[], %(payloads)s::text[],
                       %(attempt_limits)s::smallint[], %(retry_pauses)s::float8[], %(delays)s::float8[],
                       %(request_ids)s::uuid[], %(body_hashes)s::bytea[], %(slot_keys)s::text[], %(slot_limits)s::smallint[],
                       %(start_withins)s::float8[], %(run_limits)s::float8[], %(silence_limits)s::float8[], %(parents)s::bigint[],
                       %(retry_ofs)s::bigint[], %(coalesce_keys)s::text[], %(joins_running)s::bool[], %(are_blocked)s::bool[], %(traces)s::text[])
    with ordinality as a(kind, title, priority, pool, trigger, origin, initiator, labels, payload,
                         attempt_limit, retry_pause, delay, request_id, body_hash, slot_key, slot_limit,
                         start_within, run_limit, silence_limit, parent, retry_of, coalesce_key, joins_running, is_blocked, trace, place)
  order by kind, coalesce_key, case when coalesce_key is null then request_id end, place
) as a cross join lateral windlass.put(
  kind, title, priority, pool, trigger, origin, initiator, labels::jsonb, payload::jsonb, attempt_limit, retry_pause, delay,
  request_id, body_hash, coalesce_key, joins_running, slot_key, slot_limit, start_within, run_limit, silence_limit, parent, retry_of,
  is_blocked, trace) as put

-- Writes what a node has counted under its epoch so far, whole numbers, so that it can be repeated. Its row in `node` is locked first:
-- who merges what gone nodes counted ends their leases in the same statement, so a late flush finds that it is too late.
with alive as materialized (
  select id from windlass.node where id = %(node)s and left_at is null and expires_at > now() for key share
), flushed as (
  insert into windlass.counter as c (node, pool, kind, enqueued, claimed, started, succeeded, failed, retried, canceled, lost, waited_ms)
  select alive.id, k.* from alive cross join unnest(%(pools)s::text[], %(kinds)s::text[],
    %(enqueued)s::bigint[], %(claimed)s::bigint[], %(started)s::bigint[], %(succeeded)s::bigint[], %(failed)s::bigint[], %(retried)s::bigint[], %(canceled)s::bigint[], %(lost)s::bigint[], %(waited_ms)s::bigint[]) as k
  on conflict (node, pool, kind) do update set
    enqueued = excluded.enqueued, claimed = excluded.claimed, started = excluded.started, succeeded = excluded.succeeded, failed = excluded.failed, retried = excluded.retried, canceled = excluded.canceled, lost = excluded.lost, waited_ms = excluded.waited_ms
)
select exists (select from alive)

-- Moves due tasks to where they can be claimed; only for the leader of the term. Says whether it led, and when the next is due.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), due as (
  select ctid from windlass.deferred
  where next_try_at <= now() and exists (select from leads)
  order by next_try_at limit %(limit)s
  for update skip locked
), moved as (
  delete from windlass.deferred where ctid = any(array(select ctid from due)) returning *
), ready as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by from moved
  returning pg_notify('windlass', %(hint)s)
)
select exists (select from leads),
       (select extract(epoch from min(next_try_at) - now())::float8 from windlass.deferred where next_try_at > now()),
       (select count(*) from ready),
       exists (select from windlass.blocked),
       exists (select from windlass.ready where start_by <= now()) or exists (select from windlass.deferred where start_by <= now())
         or exists (select from windlass.blocked where start_by <= now())

-- Adds what gone nodes counted to node 0, and ends their leases for good: see flush_counts.sql. Only for the leader of the term.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), gone as materialized (
  select id from windlass.node n
  where (left_at is not null or expires_at <= now()) and exists (select from leads)
    and exists (select from windlass.counter c where c.node = n.id)
  order by id
  for update skip locked
), ended as (
  update windlass.node n set left_at = coalesce(n.left_at, n.expires_at) from gone where n.id = gone.id
), taken as (
  delete from windlass.counter c using gone where c.node = gone.id returning c.*
), added as (
  insert into windlass.counter as c (node, pool, kind, enqueued, claimed, started, succeeded, failed, retried, canceled, lost, waited_ms)
  select 0, pool, kind, sum(enqueued), sum(claimed), sum(started), sum(succeeded), sum(failed), sum(retried), sum(canceled), sum(lost), sum(waited_ms) from taken group by pool, kind
  on conflict (node, pool, kind) do update set
    enqueued = c.enqueued + excluded.enqueued, claimed = c.claimed + excluded.claimed, started = c.started + excluded.started, succeeded = c.succeeded + excluded.succeeded, failed = c.failed + excluded.failed, retried = c.retried + excluded.retried, canceled = c.canceled + excluded.canceled, lost = c.lost + excluded.lost,
    waited_ms = c.waited_ms + excluded.waited_ms
)
select count(*) from gone

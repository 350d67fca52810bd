-- The best of each concurrency key become claimable, as many as the key has slots free; and so does what has no key. Says one hint.
-- What gets ahead of this look (another release, a task that came in through `deferred`) is parked again by the claim.
with recursive key as (
  (select slot_key from windlass.blocked where waits = 1 and slot_key is not null order by slot_key limit 1)
  union all
  select (select b.slot_key from windlass.blocked b where b.waits = 1 and b.slot_key > key.slot_key order by b.slot_key limit 1)
  from key where key.slot_key is not null
), picked as (
  select best.ctid from (select slot_key from key where slot_key is not null limit %(limit)s) as k cross join lateral (
    select b.ctid from windlass.blocked b
    where b.waits = 1 and b.slot_key = k.slot_key
    order by b.priority desc, b.next_try_at, b.id
    limit greatest(0, (select b.slot_limit from windlass.blocked b where b.waits = 1 and b.slot_key = k.slot_key
                       order by b.priority desc, b.next_try_at, b.id limit 1)
                      - (select count(*) from windlass.running r where r.slot_key = k.slot_key)
                      - (select count(*) from (select from windlass.ready r where r.slot_key = k.slot_key limit 1000) as r))
    for update skip locked
  ) as best
  union all
  select keyless.ctid from (
    select ctid from windlass.blocked where waits = 1 and slot_key is null limit %(limit)s for update skip locked) as keyless
), moved as (
  delete from windlass.blocked where ctid = any(array(select ctid from picked)) returning *
), due as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by
  from moved where next_try_at <= now()
), later as (
  insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by
  from moved where next_try_at > now()
), told as (
  select pg_notify('windlass', %(hint)s) where exists (select from moved)
)
select (select count(*) from moved), (select count(*) from told)

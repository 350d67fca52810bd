-- The best of each concurrency key become claimable, as many as the key has slots free; and so does what has no key. Says one hint.
-- Those that are claimable already count, but only before the ones that come after them: so that a better one never waits behind a
-- worse one that the pool has no slot for. What is paused neither counts nor moves, and what is not due waits for its time elsewhere.
-- What gets ahead of this look (another release, a task that came in through `deferred`) is parked again by the claim.
with recursive key as (
  (select slot_key from windlass.blocked where waits = 1 and slot_key is not null order by slot_key limit 1)
  union all
  select (select b.slot_key from windlass.blocked b where b.waits = 1 and b.slot_key > key.slot_key order by b.slot_key limit 1)
  from key where key.slot_key is not null
), paused as materialized (
  select array(select name from windlass.kind where paused_at is not null) as kinds,
         array(select name from windlass.pool where paused_at is not null) as pools
), best as materialized (
  select line.id
  from paused cross join key
  cross join lateral (select count(*) as many from windlass.running r where r.slot_key = key.slot_key) as running
  cross join lateral (
    select id, slot_limit, is_blocked, row_number() over (order by priority desc, next_try_at, id) as nth
    from (
      (select id, priority, next_try_at, slot_limit, true as is_blocked from windlass.blocked b
       where b.waits = 1 and b.slot_key = key.slot_key and b.next_try_at <= now() and b.kind <> all(paused.kinds) and b.pool <> all(paused.pools)
       order by b.priority desc, b.next_try_at, b.id
       limit greatest(0, (select b.slot_limit from windlass.blocked b
                          where b.waits = 1 and b.slot_key = key.slot_key and b.next_try_at <= now()
                            and b.kind <> all(paused.kinds) and b.pool <> all(paused.pools)
                          order by b.priority desc, b.next_try_at, b.id limit 1) - running.many))
      union all
      (select id, priority, next_try_at, slot_limit, false from windlass.ready r
       where r.slot_key = key.slot_key and r.kind <> all(paused.kinds) and r.pool <> all(paused.pools)
       order by r.priority desc, r.next_try_at, r.id limit 1000)
    ) as together
  ) as line
  where line.is_blocked and line.nth + running.many <= line.slot_limit
  limit %(limit)s
), unlimited as materialized (
  select id from windlass.blocked where waits = 1 and slot_key is null limit %(limit)s
), early as materialized (
  select id from windlass.blocked where waits = 1 and next_try_at > now() limit %(limit)s
), clock as materialized (
  -- Not now(), which is from before the snapshot: what came due between them would be left to the leader's next look.
  select clock_timestamp() as at
), picked as (
  select ctid from windlass.blocked
  where waits = 1 and id = any(array(select id from best union all select id from unlimited union all select id from early))
  for update skip locked
), moved as (
  delete from windlass.blocked where ctid = any(array(select ctid from picked)) returning *
), due as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by
  from moved, clock where next_try_at <= clock.at
), later as (
  insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by
  from moved, clock where next_try_at > clock.at
), told as (
  select pg_notify('windlass', %(hint)s) where exists (select from moved)
)
select (select count(*) from moved, clock where next_try_at <= clock.at), (select count(*) from told)

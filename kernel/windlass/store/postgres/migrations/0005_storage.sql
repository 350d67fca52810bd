-- Storage that lasts: the wide tables live in sets of partitions with the same bounds, rolled ahead and dropped whole; counters are
-- one row for each node, pool and kind, so that no two nodes ever wait for one another to count.

-- The sets. The last one has no upper bound, so that an id always has a partition, however long nobody leads; it is empty until the
-- sequence reaches it. opened_at: when the sequence was first seen in it.
create table windlass.partition_set (
  lower     bigint      not null primary key,
  upper     bigint,
  opened_at timestamptz,
  check (lower < upper)
);

-- The tables that are partitioned by task id, with the column that holds it: whoever adds one adds it in a migration, followed by
-- select windlass.fill_sets().
create function windlass.partitioned() returns table (name name, key name) language sql stable as $$
  select c.relname, a.attname
  from pg_partitioned_table p
  join pg_class c on c.oid = p.partrelid
  join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
  where c.relnamespace = 'windlass'::regnamespace and p.partstrat = 'r'
  order by c.relname
$$;

create function windlass.bounds(lower bigint, upper bigint) returns text language sql immutable as $$
  select format('for values from (%s) to (%s)', lower, coalesce(upper::text, 'maxvalue'))
$$;

-- Makes the partitions that are missing. Created aside and attached: that leaves the parent to its readers and writers.
create function windlass.fill_sets() returns void language plpgsql as $$
declare
  part record;
begin
  for part in
    select p.name as parent, p.name || '_' || s.lower as child, s.lower, s.upper
    from windlass.partition_set s cross join windlass.partitioned() p
    where to_regclass('windlass.' || quote_ident(p.name || '_' || s.lower)) is null
    order by s.lower, p.name
  loop
    execute format('create table windlass.%I (like windlass.%I including all)', part.child, part.parent);
    execute format('alter table windlass.%I attach partition windlass.%I %s', part.parent, part.child, windlass.bounds(part.lower, part.upper));
    execute format('analyze windlass.%I', part.child);
  end loop;
end $$;

-- Gives the last set an upper bound and makes a new last one behind it. Takes each parent's lock, for a moment when the set is empty.
-- When it is not (nobody led for long), the checks that windlass.fence_last made stand for the scan.
create function windlass.split_last(at bigint) returns void language plpgsql as $$
declare
  part record;
begin
  for part in
    select p.name as parent, p.name || '_' || s.lower as child, s.lower
    from windlass.partition_set s cross join windlass.partitioned() p where s.upper is null order by p.name
  loop
    execute format('alter table windlass.%I detach partition windlass.%I', part.parent, part.child);
    execute format('alter table windlass.%I attach partition windlass.%I %s', part.parent, part.child, windlass.bounds(part.lower, at));
    execute format('alter table windlass.%I drop constraint if exists fence', part.child);
  end loop;
  update windlass.partition_set set upper = at where upper is null;
  insert into windlass.partition_set (lower) values (at);
  perform windlass.fill_sets();
end $$;

-- How wide the next set is: ten times what fits is cheap, a set that fills within seconds is not.
create function windlass.width(used bigint) returns bigint language sql immutable as $$
  select greatest(1000000, power(10, ceil(log(greatest(used, 1) * 4.0))))::bigint
$$;

-- Opens the next set when the present one is older than `period` seconds or 80 % used, and keeps an empty one behind it.
-- Says: none (nothing to do, or not the leader), ahead, rolled, full (ids have run into the last set: fence it, then roll again), or
-- busy (somebody holds a lock; try again soon). Locks are waited for a tenth of a second each, so that nobody waits longer for us.
create function windlass.roll(leader bigint, in_term bigint, period double precision) returns text language plpgsql
set lock_timeout = '100ms' as $$
declare
  last    bigint;
  called  boolean;
  present windlass.partition_set;
  next    windlass.partition_set;
  old     boolean;
  used    bigint;
begin
  select q.last_value, q.is_called into last, called from windlass.task_id q;
  select s.* into strict present from windlass.partition_set s where s.lower <= last order by s.lower desc limit 1;
  used := last - present.lower;
  old := called and present.opened_at <= now() - period * interval '1 second';
  if not (old or present.opened_at is null or present.upper is null or used > 0.8 * (present.upper - present.lower)) then
    return 'none';
  end if;
  perform from windlass.leader l where l.name = 'maintenance' and l.node = roll.leader and l.term = in_term and l.expires_at > now() for share;
  if not found then
    return 'none';
  end if;
  update windlass.partition_set s set opened_at = now() where s.lower = present.lower and s.opened_at is null;
  lock table windlass.partition_set in share row exclusive mode;
  if present.upper is null then
    if not windlass.is_fenced() then
      return 'full';
    end if;
    perform windlass.split_last(windlass.fence());
    return 'ahead';
  end if;
  select s.* into strict next from windlass.partition_set s where s.lower = present.upper;
  if next.upper is null then
    perform windlass.split_last(next.lower + windlass.width(used));
  elsif old is not true then
    return 'none';
  end if;
  if old is not true then
    return 'ahead';
  end if;
  -- Waits for every open transaction that took an id, and holds up the next ones: so the sequence can't run past us meanwhile.
  alter sequence windlass.task_id cache 1;
  select s.last_value into last from windlass.task_id s;
  if last < next.lower then
    execute format('alter sequence windlass.task_id restart with %s', next.lower);
    update windlass.partition_set s set opened_at = now() where s.lower = next.lower;
  end if;
  return 'rolled';
exception when lock_not_available or deadlock_detected then
  return 'busy';
end $$;

-- Ids that have run into the last set: a check on its tables lets it get an upper bound without a scan under the parents' locks. The
-- bound is far away, since from here on no id may pass it until the roll is done.
create function windlass.fence_last(leader bigint, in_term bigint) returns boolean language plpgsql
set lock_timeout = '100ms' as $$
declare
  part record;
  last bigint;
begin
  perform from windlass.leader l where l.name = 'maintenance' and l.node = fence_last.leader and l.term = in_term and l.expires_at > now() for share;
  if not found then
    return false;
  end if;
  if windlass.fence() is not null then
    return true;
  end if;
  select s.last_value into last from windlass.task_id s;
  for part in
    select p.name || '_' || s.lower as child, p.key, s.lower, (last / 1000000 + 1001) * 1000000 as at
    from windlass.partition_set s cross join windlass.partitioned() p where s.upper is null order by p.name
  loop
    execute format('alter table windlass.%I add constraint fence check (%I >= %s and %I < %s) not valid', part.child, part.key, part.lower, part.key, part.at);
  end loop;
  return true;
exception when lock_not_available or deadlock_detected then
  return false;
end $$;

-- Where the fence stands; null without one.
create function windlass.fence() returns bigint language sql stable as $$
  select min(substring(pg_get_constraintdef(oid) from '< ''?(\d+)')::bigint) from pg_constraint
  where connamespace = 'windlass'::regnamespace and conname = 'fence'
$$;

create function windlass.is_fenced() returns boolean language sql stable as $$
  select count(*) = (select count(*) from windlass.partitioned()) from pg_constraint
  where connamespace = 'windlass'::regnamespace and conname = 'fence' and convalidated
$$;

-- Proves the fence, beside everybody's work.
create function windlass.prove_fence() returns void language plpgsql as $$
declare
  part record;
begin
  for part in
    select c.conrelid::regclass as child from pg_constraint c
    where c.connamespace = 'windlass'::regnamespace and c.conname = 'fence' and not c.convalidated order by 1
  loop
    execute format('alter table %s validate constraint fence', part.child);
  end loop;
end $$;

-- Drops a set in which nothing is wanted any more (find_kept.sql has looked). Says: none (not the leader, or something in it still
-- waits), dropped, or busy.
create function windlass.drop_set(leader bigint, in_term bigint, of bigint) returns text language plpgsql
set lock_timeout = '100ms' as $$
declare
  gone windlass.partition_set;
  part record;
begin
  perform from windlass.leader l where l.name = 'maintenance' and l.node = drop_set.leader and l.term = in_term and l.expires_at > now() for share;
  if not found then
    return 'none';
  end if;
  lock table windlass.partition_set in share row exclusive mode;
  select s.* into gone from windlass.partition_set s, windlass.task_id q where s.lower = of and s.upper <= q.last_value;
  if not found then
    return 'none';
  end if;
  for part in select name from windlass.partitioned() loop
    execute format('drop table windlass.%I', part.name || '_' || gone.lower);
  end loop;
  -- Looked at under the locks: whoever took an id of this set long ago has committed by now, or will find that it may not.
  if exists (select from windlass.ready where id >= gone.lower and id < gone.upper)
     or exists (select from windlass.deferred where id >= gone.lower and id < gone.upper)
     or exists (select from windlass.running where id >= gone.lower and id < gone.upper) then
    raise exception 'something in it waits' using errcode = 'lock_not_available';
  end if;
  delete from windlass.partition_set s where s.lower = gone.lower;
  return 'dropped';
exception when lock_not_available or deadlock_detected then
  return 'busy';
end $$;

-- Everything that is kept of these tasks.
create function windlass.forget(ids bigint[]) returns void language plpgsql as $$
declare
  part record;
begin
  for part in select name, key from windlass.partitioned() loop
    execute format('delete from windlass.%I where %I = any($1)', part.name, part.key) using ids;
  end loop;
end $$;

-- The partitions so far become the first set; their range ends well above what is in them.
do $$
declare
  part  record;
  last  bigint := (select last_value from windlass.task_id);
  first bigint := (last / 10000000 + 1) * 10000000;
begin
  for part in
    select p.name as parent, c.relname as child
    from windlass.partitioned() p
    join pg_inherits i on i.inhparent = format('windlass.%I', p.name)::regclass
    join pg_class c on c.oid = i.inhrelid
  loop
    execute format('alter table windlass.%I detach partition windlass.%I', part.parent, part.child);
    if last = 1 then
      -- Nothing was ever stored: made anew, so that its indexes are named like those of the sets to come.
      execute format('drop table windlass.%I', part.child);
    else
      execute format('alter table windlass.%I rename to %I', part.child, part.parent || '_0');
      execute format('alter table windlass.%I attach partition windlass.%I for values from (0) to (%s)', part.parent, part.parent || '_0', first);
    end if;
  end loop;
  insert into windlass.partition_set (lower, upper, opened_at) values (0, first, now()), (first, null, null);
  perform windlass.fill_sets();
end $$;

-- What happened, by the node that did it: cumulative numbers, written whole each time, so that a flush can be repeated. Node 0 holds
-- what nodes counted that have left. A hint of depth is read from `ready`, never kept in a row that everybody would update.
create table windlass.counter (
  node      bigint not null,
  pool      text   not null,
  kind      text   not null,
  enqueued  bigint not null,
  claimed   bigint not null,
  started   bigint not null,
  succeeded bigint not null,
  failed    bigint not null,
  retried   bigint not null,
  canceled  bigint not null,
  lost      bigint not null,
  primary key (node, pool, kind)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

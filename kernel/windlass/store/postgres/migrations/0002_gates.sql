-- What stands between a due task and its start: pools and their slots, pauses, other tasks, and twins.

-- slots are cluster-wide; `configured` is what the configuration said last, so that a change there wins over an older live change.
create table windlass.pool (
  name       text        not null primary key,
  slots      integer     not null check (slots >= 0),
  configured integer     not null,
  paused_at  timestamptz,
  paused_by  text,
  reason     text        not null default ''
);

-- How many of a pool's slots a node may fill. The sum over live nodes never exceeds the pool's slots: shares change under the
-- pool row's lock, and a node gives up only what it does not use (core/shares.py).
create table windlass.pool_share (
  pool    text    not null,
  node    bigint  not null,
  slots   integer not null,
  in_use  integer not null,
  hungry  boolean not null,
  primary key (pool, node)
) with (fillfactor = 50);

-- What nodes know of kinds: defaults for those who enqueue in SQL, and who can run what. Pauses outlive the nodes.
create table windlass.kind (
  name          text             not null primary key,
  pool          text             not null,
  attempts      smallint         not null,
  pause         double precision not null,
  start_within  double precision,
  run_limit     double precision,
  silence_limit double precision,
  joins_running boolean          not null,
  paused_at     timestamptz,
  paused_by     text,
  reason        text             not null default ''
);

-- `task` waits for the end of `waits_for`; when it needs its success and does not get it, it is canceled.
create table windlass.dependency (
  waits_for     bigint  not null,
  task          bigint  not null,
  needs_success boolean not null,
  primary key (waits_for, task)
);
create index dependency_task on windlass.dependency (task);

-- The last task made for a coalesce key. Whoever enqueues under a key locks this row first, then the row where that task waits: so
-- no claim takes it while somebody joins. Nobody else touches it; whether the task still waits is looked up.
create table windlass.coalesce_key (
  kind       text        not null,
  key        text        not null,
  task       bigint,
  touched_at timestamptz not null default now(),
  primary key (kind, key)
) with (fillfactor = 50);
create index coalesce_key_touched on windlass.coalesce_key (touched_at);

-- Requests that joined a task. They are folded by the handler when an attempt starts; the task's own payload is never rewritten.
create table windlass.joined (
  task      bigint      not null,
  sequence  bigint      not null,
  at        timestamptz not null default now(),
  running   boolean     not null,
  trigger   text        not null,
  origin    smallint    not null,
  initiator text        not null,
  payload   jsonb       not null,
  primary key (task, sequence)
) partition by range (task);
create table windlass.joined_1 partition of windlass.joined for values from (0) to (1000000000000);

-- Makes one task, or lets the request join the task of its key that waits (FOLLOW_UP) or that is under way (`joins_running`).
-- `sort` is the word for what happened: CREATED, JOINED or REPEATED; for REPEATED the caller compares the body hash.
create function windlass.put(
  kind text, title text, priority smallint, pool text, trigger text, origin smallint, initiator text, labels jsonb, payload jsonb,
  attempt_limit smallint, retry_pause double precision, delay double precision, request_id uuid, body_hash bytea,
  coalesce_key text, joins_running boolean, slot_key text, slot_limit smallint, start_within double precision,
  run_limit double precision, silence_limit double precision, parent bigint, retry_of bigint, is_blocked boolean,
  out task bigint, out sort text, out first_hash bytea, out state smallint, out joined bigint
) language plpgsql as $$
#variable_conflict use_variable
declare
  twin bigint;
  fresh bigint;
  due constant timestamptz := now() + greatest(delay, 0) * interval '1 second';
  waits smallint;
begin
  if coalesce_key is not null then
    insert into windlass.coalesce_key as k (kind, key) values (put.kind, put.coalesce_key)
      on conflict on constraint coalesce_key_pkey do update set touched_at = now()
      returning k.task into twin;
  end if;
  if request_id is not null then
    -- Waits for who is storing the same id at this instant; without a key nothing else would.
    fresh := nextval('windlass.task_id');
    insert into windlass.request (id, body_hash, task) values (put.request_id, put.body_hash, fresh) on conflict do nothing;
    if not found then
      select r.task, r.body_hash into task, first_hash from windlass.request r where r.id = put.request_id;
      sort := 'REPEATED';
      return;
    end if;
  end if;
  if twin is not null then
    task := windlass.lift(twin, put.priority, due);
    if task is not null then
      state := 1;
    else
      select t.id, t.state into task, state from windlass.under_way(put.kind, put.coalesce_key) as t;
      -- What is being canceled can't serve anybody any more.
      if task is not null and (state = 3 or not joins_running) then
        task := null;
        waits := 3;
      end if;
    end if;
  end if;
  if task is not null then
    sort := 'JOINED';
    insert into windlass.joined (task, sequence, running, trigger, origin, initiator, payload)
      values (put.task, nextval('windlass.task_id'), put.state <> 1, put.trigger, put.origin, put.initiator, put.payload);
    select count(*) into joined from (select from windlass.joined j where j.task = put.task limit 10000) as others;
  else
    sort := 'CREATED';
    state := 1;
    joined := 0;
    task := coalesce(fresh, nextval('windlass.task_id'));
    insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload, attempt_limit, retry_pause,
                               run_limit, silence_limit, start_within, coalesce_key, slot_key, slot_limit, parent, retry_of)
      values (put.task, put.kind, put.title, put.priority, put.pool, put.trigger, put.origin, put.initiator, put.labels, put.payload,
              put.attempt_limit, put.retry_pause, put.run_limit, put.silence_limit, put.start_within, put.coalesce_key, put.slot_key,
              put.slot_limit, put.parent, put.retry_of);
    waits := case when is_blocked then 2 when waits is not null then waits when slot_key is not null and delay <= 0 then 1 end;
    if waits is not null then
      insert into windlass.blocked (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by, waits)
        values (task, kind, pool, priority, due, 0, 0, origin, coalesce_key, slot_key, slot_limit, due + start_within * interval '1 second', waits);
    elsif delay > 0 then
      insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
        values (task, kind, pool, priority, due, 0, 0, origin, coalesce_key, slot_key, slot_limit, due + start_within * interval '1 second');
    else
      insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
        values (task, kind, pool, priority, due, 0, 0, origin, coalesce_key, slot_key, slot_limit, due + start_within * interval '1 second');
    end if;
    if coalesce_key is not null then
      update windlass.coalesce_key k set task = put.task where (k.kind, k.key) = (put.kind, put.coalesce_key);
    end if;
  end if;
  if fresh <> task then
    update windlass.request r set task = put.task where r.id = put.request_id;
  end if;
end $$;

-- Locks the row where a task waits that nobody has claimed yet, and gives it the higher priority and the earlier time. Null when
-- it does not wait any more. A row that is on its way elsewhere at this instant (claim, promotion, release) is waited for, and then
-- looked for again.
create function windlass.lift(task bigint, priority smallint, due timestamptz) returns bigint language plpgsql as $$
#variable_conflict use_variable
declare
  place record;
begin
  for n in 1 .. 100 loop
    -- It arrives anew, whatever its priority: a claim may have passed over it while it was locked here.
    update windlass.ready r set priority = greatest(r.priority, lift.priority), arrived = pg_current_xact_id()
      where r.id = lift.task and r.attempt = 0;
    if found then
      return task;
    end if;
    select d.* into place from windlass.deferred d where d.id = lift.task and d.attempt = 0 for update;
    if found then
      if due <= now() then
        delete from windlass.deferred d where d.id = lift.task;
        insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
          values (place.id, place.kind, place.pool, greatest(place.priority, lift.priority), due, 0, place.uncounted, place.origin,
                  place.coalesce_key, place.slot_key, place.slot_limit, place.start_by);
      else
        update windlass.deferred d set priority = greatest(d.priority, lift.priority), next_try_at = least(d.next_try_at, due)
          where d.id = lift.task;
      end if;
      return task;
    end if;
    update windlass.blocked b set priority = greatest(b.priority, lift.priority), next_try_at = least(b.next_try_at, due)
      where b.id = lift.task and b.attempt = 0;
    if found then
      return task;
    end if;
    -- Between these three looks it may have moved from a later to an earlier one.
    exit when not exists (select from windlass.ready r where r.id = lift.task and r.attempt = 0)
      and not exists (select from windlass.deferred d where d.id = lift.task and d.attempt = 0)
      and not exists (select from windlass.blocked b where b.id = lift.task and b.attempt = 0);
  end loop;
  return null;
end $$;

-- The task of a coalesce key that is under way: claimed at least once and not over, waits between its attempts included.
create function windlass.under_way(kind text, key text, out id bigint, out state smallint) language sql stable as $$
  select id, state from (
    select r.id, case when r.interrupt_at is null then 2 else 3 end::smallint as state from windlass.running r
      where r.kind = under_way.kind and r.coalesce_key = under_way.key
    union all
    select r.id, 2::smallint from windlass.ready r where r.kind = under_way.kind and r.coalesce_key = under_way.key and r.attempt > 0
    union all
    select d.id, 2::smallint from windlass.deferred d where d.kind = under_way.kind and d.coalesce_key = under_way.key and d.attempt > 0
    union all
    select b.id, 2::smallint from windlass.blocked b where b.kind = under_way.kind and b.coalesce_key = under_way.key and b.attempt > 0
  ) as t limit 1
$$;

-- The trace that a request belongs to (W3C trace context): `traceparent`, or `traceparent tracestate`. Null, as for most, it costs a bit.
alter table windlass.task add column trace text;

-- A trace must not fail the work it tells of: what is no traceparent is left out, and so is a tracestate that is too long.
create function windlass.kept_trace(traceparent text, tracestate text) returns text language sql immutable as $$
  select case
    when traceparent ~ '^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$'
    then traceparent || case when tracestate ~ '^[\x20-\x7e]+$' and length(tracestate) <= 512 then ' ' || tracestate else '' end
  end
$$;

drop function windlass.put;

-- Makes one task, or lets the request join the task of its key that waits (FOLLOW_UP) or that is under way (`joins_running`).
-- `sort` is the word for what happened: CREATED, JOINED or REPEATED; for REPEATED the caller compares the body hash.
create function windlass.put(
  kind text, title text, priority smallint, pool text, trigger text, origin smallint, initiator text, labels jsonb, payload jsonb,
  attempt_limit smallint, retry_pause double precision, delay double precision, request_id uuid, body_hash bytea,
  coalesce_key text, joins_running boolean, slot_key text, slot_limit smallint, start_within double precision,
  run_limit double precision, silence_limit double precision, parent bigint, retry_of bigint, is_blocked boolean,
  trace text,
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
                               run_limit, silence_limit, start_within, coalesce_key, slot_key, slot_limit, parent, retry_of, trace)
      values (put.task, put.kind, put.title, put.priority, put.pool, put.trigger, put.origin, put.initiator, put.labels, put.payload,
              put.attempt_limit, put.retry_pause, put.run_limit, put.silence_limit, put.start_within, put.coalesce_key, put.slot_key,
              put.slot_limit, put.parent, put.retry_of, put.trace);
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

-- It takes the trace along, so its arguments change; whoever may call the old one may call this one.
alter function windlass.enqueue rename to enqueue_untraced;

create function windlass.enqueue(
  kind              text,
  payload           jsonb       default '{}',
  title             text        default '',
  priority          integer     default 5,
  pool              text        default null,
  due_at            timestamptz default null,
  delay             interval    default null,
  request_id        uuid        default null,
  coalesce_key      text        default null,
  concurrency_key   text        default null,
  concurrency_limit integer     default 1,
  after             bigint[]    default '{}',
  after_success     boolean     default false,
  attempts          integer     default null,
  retry_pause       interval    default null,
  start_within      interval    default null,
  labels            jsonb       default '{}',
  trigger           text        default 'sql',
  parent            bigint      default null,
  notify            boolean     default true,
  traceparent       text        default null,
  tracestate        text        default null
) returns bigint language plpgsql security definer set search_path = pg_catalog, windlass, pg_temp as $$
#variable_conflict use_variable
declare
  known windlass.kind;
  made record;
  hash bytea;
  seconds double precision;
  missing bigint;
begin
  select k.* into known from windlass.kind k where k.name = enqueue.kind;
  if not found then
    raise exception 'no node has ever known kind %', quote_literal(kind) using errcode = 'invalid_parameter_value',
      hint = 'known kinds: ' || coalesce((select string_agg(k.name, ', ' order by k.name) from windlass.kind k), 'none; start a node first');
  end if;
  if pool is not null and not exists (select from windlass.pool p where p.name = enqueue.pool) then
    raise exception 'there is no pool %', quote_literal(pool) using errcode = 'invalid_parameter_value',
      hint = 'known pools: ' || coalesce((select string_agg(p.name, ', ' order by p.name) from windlass.pool p), 'none');
  end if;
  perform windlass.check_range('priority', priority, 0, 100);
  perform windlass.check_range('attempts', attempts, 1, 32000);
  perform windlass.check_range('concurrency_limit', concurrency_limit, 1, 1000);
  perform windlass.check_range('the length of title', length(title), 0, 200);
  perform windlass.check_range('the length of trigger', length(trigger), 1, 100);
  perform windlass.check_range('the length of coalesce_key', length(coalesce_key), 1, 500);
  perform windlass.check_range('the length of concurrency_key', length(concurrency_key), 1, 500);
  perform windlass.check_range('the number of tasks to wait for', cardinality(after), 0, 1000);
  perform windlass.check_range('the size of payload', octet_length(payload::text), 0, 1048576);
  if payload is null or jsonb_typeof(labels) is distinct from 'object'
     or exists (select from jsonb_each(labels) as l where jsonb_typeof(l.value) <> 'string') then
    raise exception 'payload must be JSON, and labels an object of strings' using errcode = 'invalid_parameter_value';
  end if;
  if coalesce_key is not null and cardinality(after) > 0 then
    raise exception 'a request with a coalesce key can''t wait for other tasks: it may join one that does not wait for them'
      using errcode = 'invalid_parameter_value';
  end if;
  seconds := greatest(0, extract(epoch from coalesce(due_at - now(), delay, interval '0')));
  hash := case when request_id is null then '' else substr(sha256(convert_to(jsonb_build_array(
    kind, payload, title, priority, pool, coalesce_key, concurrency_key, concurrency_limit, to_jsonb(after), after_success, attempts,
    extract(epoch from retry_pause), extract(epoch from start_within), labels, trigger, parent)::text, 'UTF8')), 1, 16) end;
  select id into missing from unnest(after) as id where not exists (select from windlass.task t where t.id = id) limit 1;
  if missing is not null then
    raise exception 'there is no task % to wait for', missing using errcode = 'invalid_parameter_value';
  end if;
  made := windlass.put(
    kind, title, priority::smallint, coalesce(pool, known.pool), trigger, 2::smallint, 'sql:' || session_user, labels, payload,
    coalesce(attempts, known.attempts)::smallint, coalesce(extract(epoch from retry_pause)::float8, known.pause), seconds, request_id, hash,
    coalesce_key, known.joins_running, concurrency_key, case when concurrency_key is not null then concurrency_limit end::smallint,
    coalesce(extract(epoch from start_within)::float8, known.start_within), known.run_limit, known.silence_limit, parent, null,
    cardinality(after) > 0, windlass.kept_trace(traceparent, tracestate));
  if made.sort = 'REPEATED' and made.first_hash <> hash then
    raise exception 'request_id % was used before with another body', request_id using errcode = 'invalid_parameter_value',
      detail = format('the first call made task %s', made.task), hint = 'choose a new id for a new task';
  end if;
  if made.sort = 'CREATED' then
    insert into windlass.dependency (waits_for, task, needs_success)
      select distinct id, made.task, after_success from unnest(after) as id;
  end if;
  if notify then
    -- At the commit. It costs small transactions a part of their rate; without it a task is found within a second.
    perform pg_notify('windlass', case when cardinality(after) > 0 or coalesce_key is not null or concurrency_key is not null then 'gate sql'
                                       when seconds > 0 then 'later sql' else 'ready sql' end);
  end if;
  return made.task;
end $$;

revoke execute on function windlass.enqueue from public;

do $$
declare
  may record;
begin
  for may in
    select a.grantee::regrole as role from pg_proc p cross join aclexplode(p.proacl) a
    where p.oid = 'windlass.enqueue_untraced'::regproc and a.grantee not in (0, p.proowner)
  loop
    execute format('grant execute on function windlass.enqueue to %s', may.role);
  end loop;
end $$;

drop function windlass.enqueue_untraced;

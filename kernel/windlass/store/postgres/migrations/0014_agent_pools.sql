-- An agent's pool is there before the agent is, so that work can wait for it: what gRPC takes, SQL takes.
create function windlass.is_agent_pool(pool text) returns boolean language sql immutable as $$
  select pool ~ '^agent:[a-z0-9][a-z0-9.-]{0,79}$'
$$;

-- Whoever may call it goes on: its arguments are the same.
create or replace function windlass.enqueue(
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
  if starts_with(pool, 'agent:') and not windlass.is_agent_pool(pool) then
    raise exception 'pool % is none that an agent could have', quote_literal(pool) using errcode = 'invalid_parameter_value',
      hint = 'an agent''s id is a to z, digits, dots and dashes, not beginning with one of these, at most 80 characters';
  end if;
  if not starts_with(pool, 'agent:') and not exists (select from windlass.pool p where p.name = enqueue.pool) then
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

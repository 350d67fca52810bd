-- A request is written once and never touched (task). Where it stands is a narrow row in ready, deferred (not due yet) or
-- running; what became of it is appended (attempt, outcome). One updated row in place of these would cost 1,270 bytes of
-- WAL a task and 45-52k/s; this costs 540 bytes and runs at 75k/s.
create schema if not exists windlass;

create sequence windlass.task_id;

create table windlass.task (
  id            bigint      not null,
  kind          text        not null,
  title         text        not null,
  priority      smallint    not null,
  pool          text        not null,
  trigger       text        not null,
  origin        smallint    not null,
  initiator     text        not null,
  labels        jsonb       not null,
  payload       jsonb       not null,
  attempt_limit smallint,
  retry_pause   double precision,
  run_limit     double precision,
  silence_limit double precision,
  start_within  double precision,
  coalesce_key  text,
  slot_key      text,
  slot_limit    smallint,
  parent        bigint,
  retry_of      bigint,
  created_at    timestamptz not null default now(),
  primary key (id)
) partition by range (id);
create index task_parent on windlass.task (parent) where parent is not null;

-- Where a task waits for a worker. `attempt` is the number of attempts claimed so far, `uncounted` how many of them a
-- shutdown handed back: people see, and the limit tests, attempt - uncounted.
create table windlass.ready (
  id          bigint      not null,
  kind        text        not null,
  pool        text        not null,
  priority    smallint    not null,
  next_try_at timestamptz not null,
  attempt     integer     not null,
  uncounted   integer     not null,
  origin      smallint    not null,
  coalesce_key text,
  slot_key    text,
  slot_limit  smallint,
  start_by    timestamptz,
  arrived     xid8        not null default pg_current_xact_id()
) with (fillfactor = 100, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
create unique index ready_id on windlass.ready (id);
create index ready_claim on windlass.ready (pool, priority desc, next_try_at, id);
-- For the look that corrects the claim's frontiers: rows commit out of order, so some arrive behind them.
create index ready_arrived on windlass.ready (arrived);
-- For lists. Not on the bare column: a claim with stale statistics took this one and walked over other pools' tasks.
create index ready_order on windlass.ready ((0 - priority), next_try_at, id);
create index ready_carded on windlass.ready (id) where attempt > 0;
create index ready_coalesced on windlass.ready (kind, coalesce_key) where coalesce_key is not null;
create index ready_slot on windlass.ready (slot_key) where slot_key is not null;
create index ready_start_by on windlass.ready (start_by) where start_by is not null;

create table windlass.deferred (
  id          bigint      not null,
  kind        text        not null,
  pool        text        not null,
  priority    smallint    not null,
  next_try_at timestamptz not null,
  attempt     integer     not null,
  uncounted   integer     not null,
  origin      smallint    not null,
  coalesce_key text,
  slot_key    text,
  slot_limit  smallint,
  start_by    timestamptz
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);
create unique index deferred_id on windlass.deferred (id);
create index deferred_due on windlass.deferred (next_try_at);
create index deferred_order on windlass.deferred ((0 - priority), next_try_at, id);
create index deferred_carded on windlass.deferred (id) where attempt > 0;
create index deferred_coalesced on windlass.deferred (kind, coalesce_key) where coalesce_key is not null;
create index deferred_start_by on windlass.deferred (start_by) where start_by is not null;

-- Where a task waits for something other than time or a worker. waits: 1 a slot of its concurrency key, 2 the end of other
-- tasks (dependency), 3 the end of the task of the same coalesce key that is under way. Nobody moves these rows on the way to something
-- else: whoever may have opened a gate looks afterwards, in a snapshot of its own (release_*.sql), and the leader looks
-- once a second.
create table windlass.blocked (
  id          bigint      not null primary key,
  kind        text        not null,
  pool        text        not null,
  priority    smallint    not null,
  next_try_at timestamptz not null,
  attempt     integer     not null,
  uncounted   integer     not null,
  origin      smallint    not null,
  coalesce_key text,
  slot_key    text,
  slot_limit  smallint,
  start_by    timestamptz,
  waits       smallint    not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off);
create index blocked_order on windlass.blocked ((0 - priority), next_try_at, id);
create index blocked_carded on windlass.blocked (id) where attempt > 0;
create index blocked_slot on windlass.blocked (slot_key, priority desc, next_try_at, id) where waits = 1;
create index blocked_dependent on windlass.blocked (id) where waits = 2;
create index blocked_twin on windlass.blocked (id) where waits = 3;
create index blocked_coalesced on windlass.blocked (kind, coalesce_key) where coalesce_key is not null;
create index blocked_start_by on windlass.blocked (start_by) where start_by is not null;

-- A row is held by a node; it is started once started_at is set. Stage and progress are the latest values, kept here
-- because they are overwritten many times (no index on any of them, so the updates stay on the page).
create table windlass.running (
  id                bigint      not null primary key,
  kind              text        not null,
  pool              text        not null,
  priority          smallint    not null,
  next_try_at       timestamptz not null,
  attempt           integer     not null,
  uncounted         integer     not null,
  origin            smallint    not null,
  coalesce_key      text,
  slot_key          text,
  slot_limit        smallint,
  start_by          timestamptz,
  slot              smallint,
  node              bigint      not null,
  claimed_at        timestamptz not null default now(),
  started_at        timestamptz,
  interrupt_at      timestamptz,
  interrupt_by      text,
  interrupt_reason  text,
  stage             text,
  progress_current  bigint,
  progress_total    bigint,
  progress_sequence bigint,
  progress_at       timestamptz
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
        autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
-- Who holds which slot of a concurrency key: the limit is this index, and no counter.
create unique index running_slot on windlass.running (slot_key, slot) where slot_key is not null;
create index running_coalesced on windlass.running (kind, coalesce_key) where coalesce_key is not null;
create index running_interrupted on windlass.running (node) where interrupt_at is not null;

-- Attempts that ended and were not the last. crashes: how long the chain of lost nodes was with this one.
create table windlass.attempt (
  task        bigint      not null,
  attempt     integer     not null,
  verdict     smallint    not null,
  node        bigint      not null,
  started_at  timestamptz,
  ended_at    timestamptz not null,
  message     text        not null,
  next_try_at timestamptz not null,
  crashes     smallint    not null default 0,
  primary key (task, attempt)
) partition by range (task);

-- How a task ended, with its last attempt. Kind and origin are copied here so that history's filters need no join.
create table windlass.outcome (
  id         bigint      not null,
  state      smallint    not null,
  priority   smallint    not null,
  kind       text        not null,
  origin     smallint    not null,
  attempt    integer     not null,
  uncounted  integer     not null,
  verdict    smallint    not null,
  node       bigint,
  started_at timestamptz,
  ended_at   timestamptz not null,
  message    text        not null,
  result     jsonb,
  primary key (id)
) partition by range (id);
create index outcome_origin on windlass.outcome (origin, id);

-- The timeline's stored lines: what handlers say, and interrupts. Created, started and ended are derived from the rows
-- above (core/sequence.py). type: 1 state, 2 stage, 3 step.
create table windlass.step (
  task     bigint      not null,
  sequence bigint      not null,
  at       timestamptz not null,
  type     smallint    not null,
  text     text        not null,
  data     jsonb,
  primary key (task, sequence)
) partition by range (task);

-- stream: 1 stdout, 2 stderr. dropped: bytes left out just before this chunk.
create table windlass.output (
  task     bigint      not null,
  sequence bigint      not null,
  at       timestamptz not null,
  stream   smallint    not null,
  data     bytea       not null,
  dropped  bigint      not null,
  primary key (task, sequence)
) partition by range (task);
alter table windlass.output alter column data set storage external;

-- The first partitions. The range is wide until the leader rolls partitions by time.
create table windlass.task_1    partition of windlass.task    for values from (0) to (1000000000000);
create table windlass.attempt_1 partition of windlass.attempt for values from (0) to (1000000000000);
create table windlass.outcome_1 partition of windlass.outcome for values from (0) to (1000000000000);
create table windlass.step_1    partition of windlass.step    for values from (0) to (1000000000000);
create table windlass.output_1  partition of windlass.output  for values from (0) to (1000000000000);

-- Idempotency: not partitioned, because uniqueness can't span partitions. Expires on its own.
create table windlass.request (
  id         uuid        not null primary key,
  body_hash  bytea       not null,
  task       bigint      not null,
  created_at timestamptz not null default now()
);
create index request_created on windlass.request (created_at);

-- One row for each start of a kernel process: its id is the epoch. `machine` is the boot and the pid namespace, so that
-- only nodes that can see each other's pids judge each other by them.
create table windlass.node (
  id          bigint      generated always as identity primary key,
  name        text        not null,
  machine     text        not null,
  pid         integer     not null,
  pid_started bigint      not null,
  kinds       text[]      not null,
  joined_at   timestamptz not null default now(),
  expires_at  timestamptz not null,
  left_at     timestamptz
);
create index node_present on windlass.node (expires_at) where left_at is null;

-- Leadership is a lease row with a term; every maintenance write re-checks it.
create table windlass.leader (
  name       text        not null primary key,
  node       bigint      not null,
  term       bigint      not null,
  expires_at timestamptz not null
);

-- Where each task stands or how it ended: exactly one row a task, in any snapshot. For reads only.
create view windlass.place as
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, started_at, null::timestamptz as ended_at, node, stage,
         progress_current, progress_total, null::text as message, null::jsonb as result,
         (case when interrupt_at is not null then 3 when started_at is null then 1 else 2 end)::smallint as state
  from windlass.running
  union all
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, null, null, null, null, null, null, null, null, 1::smallint
  from windlass.ready
  union all
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, null, null, null, null, null, null, null, null, 1::smallint
  from windlass.deferred
  union all
  select id, kind, pool, priority, origin, attempt, uncounted, next_try_at, null, null, null, null, null, null, null, null, 1::smallint
  from windlass.blocked
  union all
  select id, kind, null, priority, origin, attempt, uncounted, null, started_at, ended_at, node, null, null, null, message, result, state
  from windlass.outcome;

-- What is to be made when. The whole of what was asked is in spec (core/schedules.py reads it); everything up to since is settled.
-- revision counts changes by people, turn every write: what was planned from an older read is refused.
create table windlass.schedule (
  name       text        not null primary key,
  owner      text,
  revision   bigint      not null,
  turn       bigint      not null,
  spec       jsonb       not null,
  paused     boolean     not null,
  created_at timestamptz not null default now(),
  since      timestamptz not null,
  resumed_at timestamptz,
  next_at    timestamptz not null,
  last_task  bigint
);
create index schedule_next on windlass.schedule (next_at, name);

-- The ledger: what became of each tick. outcome: 1 ran, 2 skipped, 3 caught up, 4 by hand. It outlives its schedule.
create table windlass.tick (
  id       bigint      generated always as identity primary key,
  schedule text        not null,
  due_at   timestamptz not null,
  at       timestamptz not null default now(),
  outcome  smallint    not null,
  reason   text        not null,
  task     bigint
);
-- A tick is decided once.
create unique index tick_once on windlass.tick (schedule, due_at) where outcome <> 4;
create index tick_newest on windlass.tick (schedule, id);
create index tick_at on windlass.tick (at);

-- The one task that is kept alive for each resident.
create table windlass.resident (
  kind text   not null,
  key  text   not null,
  task bigint not null,
  primary key (kind, key)
);

-- Who did what: a row for each privileged call, in the transaction of its effect.
create table windlass.audit (
  id         bigint      generated always as identity primary key,
  at         timestamptz not null default now(),
  subject    text        not null,
  credential text        not null,
  role       smallint    not null,
  method     text        not null,
  resource   text        not null,
  reason     text        not null,
  request    jsonb       not null
);

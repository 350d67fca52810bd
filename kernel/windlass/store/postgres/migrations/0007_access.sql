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

-- Who may call. A secret is nowhere here: only its SHA-256, which leads back to no secret of 32 random bytes.
create table windlass.token (
  id           bigint      generated always as identity primary key,
  digest       bytea       not null unique check (length(digest) = 32),
  subject      text        not null,
  role         smallint    not null check (role between 1 and 5),
  origin       smallint    not null check (origin in (1, 2)),
  -- Empty: all of them.
  pools        text[]      not null default '{}',
  created_by   text        not null,
  created_at   timestamptz not null default now(),
  expires_at   timestamptz,
  revoked_at   timestamptz,
  last_used_at timestamptz
);

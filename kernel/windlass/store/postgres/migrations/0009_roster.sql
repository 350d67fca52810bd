-- What people are told of nodes. A drained node takes no more tasks until it is resumed; a lost one did not leave in good order.
alter table windlass.node
  add column version     text        not null default '',
  add column renewed_at  timestamptz not null default now(),
  add column draining_at timestamptz,
  add column is_lost     boolean     not null default false;

-- Small documents that plugins keep. Here is the newest version of each; who writes one locks this row first, so those who put at once
-- are served one after the other. put_id is the last put's own: made again after a lost answer it finds what it has stored.
create table windlass.document (
  plugin  text   not null,
  name    text   not null collate "C",
  version bigint not null,
  put_id  uuid   not null,
  primary key (plugin, name)
);

-- What the versions say. json, not jsonb: what was put is what is read, to the last digit and in its order.
create table windlass.document_version (
  plugin    text        not null,
  name      text        not null collate "C",
  version   bigint      not null,
  value     json        not null,
  stored_at timestamptz not null default now(),
  stored_by text        not null,
  primary key (plugin, name, version),
  foreign key (plugin, name) references windlass.document on delete cascade
);

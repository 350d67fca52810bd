-- Agents: workers that reach the database through a server only. An agent's epoch is a row in `node`, as a server's is, so that leases,
-- fences, shares and recovery are the same; who the agent is stands here for good.
alter table windlass.node
  add column agent text,   -- null: a server
  add column pools text[], -- what an agent serves; a server serves what it is configured with
  add column host  jsonb;  -- where an agent ran, as it was at this start

create table windlass.agent (
  id          text        primary key,
  node        bigint      not null, -- its present or last epoch
  pools       text[]      not null,
  slots       integer[]   not null, -- what it takes of each
  kinds       text[]      not null,
  roles       smallint[]  not null, -- the least role for each kind
  peer        text        not null,
  server      text        not null,
  created_at  timestamptz not null default now(),
  draining_at timestamptz
);

-- Whether a live worker takes work of a pool: a server of every pool but the agents' own, an agent of those that it names.
create function windlass.serves(agent text, pools text[], pool text) returns boolean language sql immutable as $$
  select case when agent is null then not starts_with(pool, 'agent:') else pool = any(pools) end
$$;

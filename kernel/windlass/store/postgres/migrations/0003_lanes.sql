-- Lanes: named single-writer resources. Whether the holder or a waiter still runs is read from windlass.running, so nothing
-- has to be cleaned up for a node that died. A lane's row stays for good, because its fence may only grow.
create table windlass.lane (
  name    text   not null primary key,
  fence   bigint not null default 0,
  task    bigint,
  attempt integer,
  node    bigint,
  since   timestamptz
);

-- Tickets are drawn under the lane's row lock, so their order is the order of coming.
create table windlass.lane_wait (
  lane    text        not null,
  ticket  bigint      not null generated always as identity,
  task    bigint      not null,
  attempt integer     not null,
  node    bigint      not null,
  at      timestamptz not null default now(),
  primary key (lane, ticket)
);
create unique index lane_wait_entrant on windlass.lane_wait (lane, task, attempt, node);

-- Locks the lane's row, then decides with a fresh snapshot: a single statement would decide with the one it had before it
-- waited. A function, because two statements from the node would hold the lock for as long as something blocks its event
-- loop, or a SIGSTOP lasts, while all other nodes' connections wait for it. Of windlass.running it only reads, without a lock.
create function windlass.enter_lane(which text, who bigint, which_attempt integer, whose bigint)
returns table (runs boolean, fence bigint, "position" bigint, holder bigint)
language plpgsql volatile as $$
#variable_conflict use_column
begin
  insert into windlass.lane (name) values (which) on conflict (name) do update set name = excluded.name;
  return query
  with me as materialized (
    select r.id from windlass.running r where r.id = who and r.attempt = which_attempt and r.node = whose
  ), door as materialized (
    select l.fence, l.task, (l.task, l.attempt, l.node) is not distinct from (who, which_attempt, whose) as is_mine,
           exists (select from windlass.running r where r.id = l.task and r.attempt = l.attempt and r.node = l.node) as is_held
    from windlass.lane l where l.name = which
  ), line as materialized (
    select w.ticket, w.task = who and w.attempt = which_attempt and w.node = whose as is_mine,
           exists (select from windlass.running r where r.id = w.task and r.attempt = w.attempt and r.node = w.node) as is_live
    from windlass.lane_wait w where w.lane = which
  ), ahead as materialized (
    select count(*) as n from line
    where is_live and not is_mine and ticket < coalesce((select ticket from line where is_mine), 9223372036854775807)
  ), taken as (
    update windlass.lane l set fence = l.fence + 1, task = who, attempt = which_attempt, node = whose, since = now()
    from me, door, ahead
    where l.name = which and not door.is_held and ahead.n = 0
    returning l.fence
  ), gone as (
    delete from windlass.lane_wait w using line
    where w.lane = which and w.ticket = line.ticket and (not line.is_live or line.is_mine and exists (select from taken))
  ), queued as (
    insert into windlass.lane_wait (lane, task, attempt, node)
    select which, who, which_attempt, whose from me, door
    where not door.is_mine and not exists (select from taken) and not exists (select from line where is_mine)
  ), inside as (
    select taken.fence from taken union all select door.fence from door where door.is_mine and door.is_held
  )
  select exists (select from me), inside.fence, case when inside.fence is null then ahead.n + 1 else 0 end,
         case when inside.fence is not null then who when door.is_held then door.task end
  from door cross join ahead left join inside on true;
end
$$;

-- Takes back what lost nodes hold. Lost: no live lease (a lease that has run out can't be renewed), or proved dead. The check is in
-- this write, and a row that its node is finishing at this instant is locked and passed over. What told of no start comes back
-- uncounted, but is recorded: it may have run. What was being interrupted is over; so is what reached its limit of attempts, or its
-- chain of crashes (core/poison.py).
with buried as (
  update windlass.node set left_at = now(), is_lost = true where id = %(dead)s and left_at is null
), lost as materialized (
  select r.*, coalesce(task.attempt_limit, 10) as attempt_limit, coalesce(case when n.agent is null then 'node ' else '' end || n.name, 'node ?') as node_name,
         coalesce((select c.crash_limit from unnest(%(kinds)s::text[], %(crash_limits)s::int[]) as c(kind, crash_limit)
                   where c.kind = r.kind), %(usual_limit)s) as crash_limit
  from windlass.running r
  join windlass.task using (id)
  left join windlass.node n on n.id = r.node
  where r.node is not distinct from %(dead)s or n.id is null or n.left_at is not null or n.expires_at <= now()
  order by r.id
  limit %(limit)s
  for update of r skip locked
), chained as (
  select lost.*, case when started_at is null then before when progress_at is not null then 1 else before + 1 end as crashes
  from lost, lateral (select coalesce(
    (select a.crashes from windlass.attempt a
     where a.task = lost.id and a.verdict = 6 and a.ended_at > now() - %(window)s * interval '1 hour'
     order by a.attempt desc limit 1), 0) as before) as chain
), held as materialized (
  select chained.*, started_at is not null and crash_limit > 0 and crashes >= crash_limit as poison,
         started_at is not null and attempt - uncounted >= attempt_limit as last
  from chained
), released as (
  delete from windlass.running r using held where r.id = held.id
), over as (
  insert into windlass.outcome (id, state, priority, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message)
  select id, case when interrupt_at is null then 5 else 6 end, priority, kind, origin, attempt, uncounted,
         case when interrupt_at is null then 6 else 5 end, node, started_at, now(),
         case when interrupt_at is not null
                then 'interrupted by ' || interrupt_by || coalesce(': ' || nullif(interrupt_reason, ''), '') || '; its node was lost'
              when poison then 'poison: its worker died ' || crashes || ' times without progress; ' || node_name || ' was the last'
              else node_name || ' was lost, and no attempts are left' end
  from held where interrupt_at is not null or last or poison
), tried as (
  insert into windlass.attempt (task, attempt, verdict, node, started_at, ended_at, message, next_try_at, crashes)
  select id, attempt, 6, node, started_at, now(),
         node_name || case when started_at is null then ' was lost before it told of a start' else ' was lost' end, now(), crashes
  from held where interrupt_at is null and not last and not poison
), back as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, slot_key, slot_limit, start_by)
  select id, kind, pool, priority, next_try_at, attempt, uncounted + (started_at is null)::int, origin, coalesce_key, slot_key, slot_limit,
         case when started_at is null then start_by end
  from held where interrupt_at is null and not last and not poison
)
select count(*) from held

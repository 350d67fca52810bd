-- Takes back what lost nodes hold. Lost: no live lease (a lease that has run out can't be renewed), or proved dead. The check is in
-- this write, and a row that its node is finishing at this instant is locked and passed over. What never started comes back
-- uncounted; what was being interrupted is over.
with buried as (
  update windlass.node set left_at = now() where id = %(dead)s and left_at is null
), held as materialized (
  select r.*, coalesce(task.attempt_limit, 10) as attempt_limit, n.name as node_name
  from windlass.running r
  join windlass.task using (id)
  left join windlass.node n on n.id = r.node
  where r.node is not distinct from %(dead)s or n.id is null or n.left_at is not null or n.expires_at <= now()
  order by r.id
  limit %(limit)s
  for update of r skip locked
), released as (
  delete from windlass.running r using held where r.id = held.id
), over as (
  insert into windlass.outcome (id, state, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message)
  select id, case when interrupt_at is null then 5 else 6 end, kind, origin, attempt, uncounted,
         case when interrupt_at is null then 6 else 5 end, node, started_at, now(),
         case when interrupt_at is null then 'node ' || coalesce(node_name, '?') || ' was lost, and no attempts are left'
              else 'interrupted by ' || interrupt_by || coalesce(': ' || nullif(interrupt_reason, ''), '') || '; its node was lost' end
  from held where interrupt_at is not null or (started_at is not null and attempt - uncounted >= attempt_limit)
), tried as (
  insert into windlass.attempt (task, attempt, verdict, node, started_at, ended_at, message, next_try_at)
  select id, attempt, 6, node, started_at, now(), 'node ' || coalesce(node_name, '?') || ' was lost', now()
  from held where interrupt_at is null and started_at is not null and attempt - uncounted < attempt_limit
), back as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
  select id, kind, pool, priority, next_try_at, attempt, uncounted + (started_at is null)::int, origin
  from held where interrupt_at is null and (started_at is null or attempt - uncounted < attempt_limit)
)
select count(*) from held

-- Tasks whose dependencies have all ended go on to their next gate; one that needed a success it did not get is canceled.
with waiting as (
  select id from windlass.blocked where waits = 2 order by id limit %(limit)s for update skip locked
), judged as materialized (
  select d.task as id, bool_and(o.id is not null or not exists (select from windlass.task where task.id = d.waits_for)) as are_over,
         min(d.waits_for) filter (where d.needs_success and o.state <> 4) as missed
  from waiting join windlass.dependency d on d.task = waiting.id left join windlass.outcome o on o.id = d.waits_for
  group by d.task
), opened as (
  update windlass.blocked b set waits = 3 from judged where b.id = judged.id and are_over and missed is null returning b.id
), ended as (
  delete from windlass.blocked b using judged where b.id = judged.id and missed is not null
  returning b.id, b.priority, b.kind, b.origin, b.attempt, b.uncounted
), over as (
  insert into windlass.outcome (id, priority, kind, origin, attempt, uncounted, state, verdict, node, started_at, ended_at, message)
  select ended.*, 6, 5, null, null, now(), 'task ' || missed || ', which it needed, did not complete' from ended join judged using (id)
), freed as (
  delete from windlass.dependency where task in (select id from opened union all select id from ended)
)
select (select count(*) from opened) + (select count(*) from ended)

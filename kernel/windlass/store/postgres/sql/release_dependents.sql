-- Tasks whose dependencies have all ended go on to their next gate; one that needed a success it did not get is canceled. Only those
-- are locked: two ends at the same instant both look, and the later one sees both. Says how many were canceled: others may have
-- waited for them.
with judged as materialized (
  select b.id, (select min(d.waits_for) from windlass.dependency d join windlass.outcome o on o.id = d.waits_for
                where d.task = b.id and d.needs_success and o.state <> 4) as missed
  from windlass.blocked b
  where b.waits = 2 and (
    not exists (select from windlass.dependency d where d.task = b.id
                and not exists (select from windlass.outcome o where o.id = d.waits_for)
                and exists (select from windlass.task t where t.id = d.waits_for))
    or exists (select from windlass.dependency d join windlass.outcome o on o.id = d.waits_for
               where d.task = b.id and d.needs_success and o.state <> 4))
  limit %(limit)s
  for update of b skip locked
), opened as (
  update windlass.blocked b set waits = 3 from judged where b.id = judged.id and missed is null
), ended as (
  delete from windlass.blocked b using judged where b.id = judged.id and missed is not null
  returning b.id, b.priority, b.kind, b.origin, b.attempt, b.uncounted
), over as (
  insert into windlass.outcome (id, priority, kind, origin, attempt, uncounted, state, verdict, node, started_at, ended_at, message)
  select ended.*, 6, 5, null, null, now(), 'task ' || missed || ', which it needed, did not complete' from ended join judged using (id)
), freed as (
  delete from windlass.dependency where task in (select id from judged)
)
select count(*) from ended

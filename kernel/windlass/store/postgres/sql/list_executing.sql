-- What executes, of each pool those that began first; at most `cap` rows are looked at, and `most` come back. When a task was heard of
-- last is looked up only where it began long ago: that is two looks more.
with held as materialized (
  select id, kind, pool, coalesce(started_at, interrupt_at) as began_at, started_at, progress_at, interrupt_at
  from windlass.running where started_at is not null or interrupt_at is not null order by id limit %(cap)s
), placed as (
  select *, row_number() over (partition by pool order by began_at, id) as place from held
), listed as (
  select * from placed where place <= %(each)s order by place, began_at, id limit %(most)s
)
select task.id, task.kind, task.title, place.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at, place.state, place.attempt, place.uncounted, place.next_try_at,
       place.started_at, place.ended_at, node.name, place.stage, place.progress_current, place.progress_total, place.message, null::jsonb,
       listed.interrupt_at, coalesce(task.run_limit, kind.run_limit),
       greatest(listed.started_at, listed.progress_at, case when listed.began_at < now() - %(quiet)s * interval '1 second' then greatest(
         (select s.at from windlass.step s where s.task = listed.id order by s.sequence desc limit 1),
         (select o.at from windlass.output o where o.task = listed.id order by o.sequence desc limit 1)) end),
       exists (select from windlass.resident r where r.kind = listed.kind and r.task = listed.id)
from listed join windlass.task using (id) join windlass.place using (id) left join windlass.node on node.id = place.node
  left join windlass.kind on kind.name = listed.kind
order by listed.began_at, listed.id

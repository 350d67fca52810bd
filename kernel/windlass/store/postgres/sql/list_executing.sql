-- What executes, of each pool those that began first; at most `cap` rows are looked at, and `most` come back. When a task was heard of
-- last is looked up only where it began long ago. Each task is one look by id: a merge would walk from the oldest to the newest.
with held as materialized (
  select *, coalesce(started_at, interrupt_at) as began_at from windlass.running
  where started_at is not null or interrupt_at is not null order by id limit %(cap)s
), placed as (
  select *, row_number() over (partition by pool order by began_at, id) as place from held
), listed as (
  select * from placed where place <= %(each)s order by place, began_at, id limit %(most)s
)
select task.id, task.kind, task.title, l.priority, task.pool, task.trigger, task.origin, task.initiator, task.labels, null::jsonb,
       task.attempt_limit, task.retry_pause, task.parent, task.retry_of, task.coalesce_key, task.created_at,
       case when l.interrupt_at is not null then 3 else 2 end, l.attempt, l.uncounted, l.next_try_at,
       l.started_at, null::timestamptz, node.name, l.stage, l.progress_current, l.progress_total, null::text, null::jsonb, task.trace,
       l.interrupt_at, coalesce(task.run_limit, kind.run_limit),
       greatest(l.started_at, l.progress_at, case when l.began_at < now() - %(quiet)s * interval '1 second' then greatest(
         (select s.at from windlass.step s where s.task = l.id order by s.sequence desc limit 1),
         (select o.at from windlass.output o where o.task = l.id order by o.sequence desc limit 1)) end),
       exists (select from windlass.resident r where r.kind = l.kind and r.task = l.id)
from listed l cross join lateral (select * from windlass.task where id = l.id limit 1) as task
  left join windlass.node on node.id = l.node left join windlass.kind on kind.name = l.kind
order by l.began_at, l.id

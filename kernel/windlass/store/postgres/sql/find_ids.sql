-- The ids of tasks that pass a filter (put together in filters.py), from an id on.
with span as (
  select greatest(%(lowest)s, (select max(lower) from windlass.partition_set where opened_at + interval '5 minutes' <= {since})) as lowest
)
select place.id
from windlass.place join windlass.task on task.id = place.id
where place.home = any(%(homes)s::smallint[])
  and (not %(carded)s or place.state >= 4 or place.started_at is not null or place.attempt > case when place.node is null then 0 else 1 end)
  and place.id >= (select lowest from span)
  and task.id >= (select lowest from span)
  and {condition}
order by place.id
limit %(limit)s

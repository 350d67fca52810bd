-- The ids of tasks that pass a filter (put together in filters.py), from an id on.
select place.id
from windlass.place join windlass.task using (id) left join windlass.node on node.id = place.node
where place.home = any(%(homes)s::smallint[]) and place.id > %(after)s
  and (not %(carded)s or place.state >= 4 or place.started_at is not null or place.attempt > case when place.node is null then 0 else 1 end)
  and place.id >= coalesce((select max(lower) from windlass.partition_set where opened_at + interval '5 minutes' <= {since}), 0)
  and {condition}
order by place.id
limit %(limit)s

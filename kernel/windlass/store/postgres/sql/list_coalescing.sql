-- Tasks with a coalesce key that have not ended: of each pool the oldest, and how many there are of it. At most `cap` rows of each
-- place are looked at, in the order of the index that holds only these. Each task is one look by id: a merge would walk from the oldest to the newest.
with running as (
  select id, pool, case when interrupt_at is not null then 3 when started_at is null then 1 else 2 end as state from windlass.running
  where coalesce_key is not null order by kind, coalesce_key limit %(cap)s
), ready as (
  select id, pool, 1 from windlass.ready where coalesce_key is not null order by kind, coalesce_key limit %(cap)s
), deferred as (
  select id, pool, 1 from windlass.deferred where coalesce_key is not null order by kind, coalesce_key limit %(cap)s
), blocked as (
  select id, pool, 1 from windlass.blocked where coalesce_key is not null order by kind, coalesce_key limit %(cap)s
), keyed as (
  select * from running union all select * from ready union all select * from deferred union all select * from blocked
), placed as (
  select id, pool, state, row_number() over (partition by pool order by id) as place, count(*) over (partition by pool) as of_pool from keyed
), listed as (
  select * from placed where place <= %(each)s order by place, id limit %(most)s
)
select task.id, task.kind, task.coalesce_key, task.title, listed.pool, listed.state, task.created_at,
       (select count(*) from (select from windlass.joined j where j.task = listed.id limit %(joined)s) as few), listed.of_pool
from listed cross join lateral (select * from windlass.task where id = listed.id limit 1) as task
order by task.id

-- What new tasks wait for. A task that does not exist can't be waited for: comes back with those.
with asked as (
  select * from unnest(%(tasks)s::bigint[], %(waits_for)s::bigint[], %(need_success)s::bool[]) as a(task, waits_for, needs_success)
), known as (
  insert into windlass.dependency (waits_for, task, needs_success)
  select distinct on (waits_for, task) waits_for, task, needs_success
  from asked where exists (select from windlass.task where id = waits_for)
  order by waits_for, task, needs_success desc
)
select distinct waits_for from asked where not exists (select from windlass.task where id = waits_for) order by 1

-- Writes down a run by hand; its task is stored in the same transaction, which is undone when there is no such schedule.
with moved as (
  update windlass.schedule set turn = turn + 1, last_task = %(task)s where name = %(name)s returning name
)
insert into windlass.tick (schedule, due_at, outcome, reason, task)
select name, now(), 4, %(reason)s, %(task)s from moved
returning id

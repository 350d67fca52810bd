-- Writes down what became of ticks and moves the schedule on; only for the leader of the term, and only when nobody has written
-- the schedule since it was read. Their tasks are stored in the same transaction, which is undone when this moves nothing.
with moved as (
  update windlass.schedule set
    turn = turn + 1, since = %(settled)s, next_at = %(next_at)s, last_task = coalesce(%(last_task)s::bigint, last_task)
  where name = %(name)s and turn = %(turn)s
    and exists (select from windlass.leader
                where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now())
  returning name
), told as (
  insert into windlass.tick (schedule, due_at, outcome, reason, task)
  select moved.name, t.due_at, t.outcome, t.reason, t.task
  from moved, unnest(%(due)s::timestamptz[], %(outcomes)s::smallint[], %(reasons)s::text[], %(tasks)s::bigint[])
    with ordinality as t(due_at, outcome, reason, task, place)
  order by t.place
)
select name from moved

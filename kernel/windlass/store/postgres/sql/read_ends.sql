-- How the newest tasks that are over ended, by pool and kind; at most `cap` are looked at, whatever became of them since.
-- Going back in time, `better` counts the successes: the failures before the first of them are the streak.
with last as materialized (
  select id, kind, state, ended_at, attempt - uncounted as retries from windlass.outcome order by id desc limit %(cap)s
), told as (
  select task.pool, last.kind, last.state, last.ended_at, retries >= greatest(coalesce(task.attempt_limit, 10), 2) as at_limit,
         count(*) filter (where last.state = 4) over (partition by task.pool, last.kind order by last.ended_at desc, last.id desc) as better
  from last cross join lateral (select pool, attempt_limit from windlass.task where id = last.id limit 1) as task
  where last.state in (4, 5) and last.ended_at > now() - %(window)s * interval '1 second'
)
select pool, kind, count(*), count(*) filter (where state = 5), count(*) filter (where state = 5 and at_limit),
       count(*) filter (where better = 0), min(ended_at) filter (where better = 0),
       min(ended_at) filter (where state = 5), max(ended_at) filter (where state = 5)
from told group by pool, kind order by pool, kind

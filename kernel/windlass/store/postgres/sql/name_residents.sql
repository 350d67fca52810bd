-- Names the new task of each resident; only for the leader of the term, and only in the place of a task that was seen to be over:
-- fewer rows than tasks mean that another was quicker, and the transaction that stored the tasks is undone. Sorted, so that two can't
-- wait for each other.
insert into windlass.resident as r (kind, key, task)
select kind, key, task
from unnest(%(kinds)s::text[], %(keys)s::text[], %(tasks)s::bigint[]) as n(kind, key, task)
where exists (select from windlass.leader
              where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now())
order by kind, key
on conflict (kind, key) do update set task = excluded.task where r.task = any(%(over)s::bigint[])
returning task

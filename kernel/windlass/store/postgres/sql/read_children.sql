-- The tasks in the queue that one is the parent of.
select id from windlass.task t where parent = %(task)s and id > %(after)s and not exists (select from windlass.outcome o where o.id = t.id)
order by id limit %(limit)s

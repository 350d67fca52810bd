-- The ledger of one schedule, newest first.
select id, schedule, due_at, at, outcome, reason, task from windlass.tick
where schedule = %(name)s and id < %(before)s order by id desc limit %(limit)s

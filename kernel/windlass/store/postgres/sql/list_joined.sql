-- Who joined a task, and when, in the order of their coming.
select at, running, trigger, origin, initiator from windlass.joined where task = %(task)s order by sequence limit %(limit)s

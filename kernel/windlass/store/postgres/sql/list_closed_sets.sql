-- The sets of partitions that get no new ids, oldest first.
select s.lower, s.upper from windlass.partition_set s, windlass.task_id q where s.upper <= q.last_value order by s.lower

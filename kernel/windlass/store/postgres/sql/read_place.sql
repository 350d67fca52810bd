-- Where one task stands; no row when there is no such task.
select coalesce(place.state, 1) from windlass.task left join windlass.place using (id) where task.id = %(task)s

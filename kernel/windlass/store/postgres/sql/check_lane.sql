-- One row when the lane is this attempt's under this fence, and the attempt still runs.
select l.fence from windlass.lane l
join windlass.running r on r.id = l.task and r.attempt = l.attempt and r.node = l.node
where l.name = %(lane)s and l.fence = %(fence)s and l.task = %(task)s and l.attempt = %(attempt)s and l.node = %(node)s

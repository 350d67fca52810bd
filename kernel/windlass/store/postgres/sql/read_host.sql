-- Where the current or last attempt of a task ran, as it was then; empty when that was no agent.
select node.host from windlass.place join windlass.node on node.id = place.node
where place.id = %(task)s and node.host is not null

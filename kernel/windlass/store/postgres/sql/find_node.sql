-- Whether there is such a node, alive or gone.
select id from windlass.node where id = %(node)s

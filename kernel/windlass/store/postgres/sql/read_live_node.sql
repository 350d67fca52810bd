-- Whether a node's lease is alive.
select id from windlass.node where id = %(node)s and left_at is null and expires_at > now()

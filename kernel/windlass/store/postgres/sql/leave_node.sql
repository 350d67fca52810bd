-- Ends a lease for good.
update windlass.node set left_at = now() where id = %(node)s and left_at is null

-- Extends a lease that is still alive. One that has run out stays so: its tasks may be somebody else's by now.
update windlass.node set renewed_at = now(), expires_at = now() + %(lease)s * interval '1 second'
where id = %(node)s and left_at is null and expires_at > now()
returning id

-- Lets a node take no more tasks, or take them again. Comes back empty for one that is gone: it takes none anyway.
update windlass.node set draining_at = case when %(draining)s then coalesce(draining_at, now()) end
where id = %(node)s and left_at is null and expires_at > now()
returning pg_notify('windlass', %(hint)s)

-- A live change of a pool's slots; every node looks again.
update windlass.pool set slots = %(slots)s where name = %(name)s returning pg_notify('windlass', %(hint)s)

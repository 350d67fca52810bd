-- A hint to every node that somebody asked for an interrupt; each looks at its own.
select pg_notify('windlass', %(hint)s)

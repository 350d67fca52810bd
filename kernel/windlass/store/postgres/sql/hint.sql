-- A hint to every node; each looks for itself.
select pg_notify('windlass', %(hint)s)

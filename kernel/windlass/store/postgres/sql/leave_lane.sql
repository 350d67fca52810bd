-- Frees a lane, if it is this attempt's. The hint goes out whether or not anybody waits: whoever came while this waited for
-- the row's lock is not in its snapshot.
with freed as (
  update windlass.lane set task = null, attempt = null, node = null, since = null
  where name = %(lane)s and task = %(task)s and attempt = %(attempt)s and node = %(node)s
  returning name
)
select pg_notify('windlass', %(hint)s) from freed

-- Gives up an attempt's place in line. It may have been the next one's turn, so the others look again.
with gone as (
  delete from windlass.lane_wait
  where lane = %(lane)s and task = %(task)s and attempt = %(attempt)s and node = %(node)s
  returning ticket
)
select pg_notify('windlass', %(hint)s) from gone

-- Everything counted so far. One row for each node, pool and kind: few.
select pool, kind, sum(enqueued)::bigint, sum(claimed)::bigint, sum(started)::bigint, sum(succeeded)::bigint, sum(failed)::bigint, sum(retried)::bigint, sum(canceled)::bigint, sum(lost)::bigint, sum(waited_ms)::bigint
from windlass.counter group by pool, kind order by pool, kind

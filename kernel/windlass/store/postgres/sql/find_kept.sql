-- The first task of a page that is wanted still: it has not ended, or not long ago. Also where the page ends.
-- lateral with limit: a join may read whole partitions for a page.
with page as materialized (
  select id from windlass.task where id >= %(first)s and id < %(upper)s order by id limit %(limit)s
)
select min(page.id) filter (where o.ended_at is null or o.ended_at > now() - %(longest)s * interval '1 second'), max(page.id), count(*)
from page left join lateral (select ended_at from windlass.outcome where outcome.id = page.id limit 1) as o on true

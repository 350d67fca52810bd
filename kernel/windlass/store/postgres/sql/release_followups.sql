-- Follow-ups whose key has nothing under way any more go on to their next gate.
with open as (
  select b.ctid from windlass.blocked b
  where b.waits = 3 and (b.coalesce_key is null or not exists (select from windlass.under_way(b.kind, b.coalesce_key) as t where t.id is not null))
  limit %(limit)s
  for update of b skip locked
), opened as (
  update windlass.blocked b set waits = 1 from open where b.ctid = open.ctid returning 1
)
select count(*) from opened

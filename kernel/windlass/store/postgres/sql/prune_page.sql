-- Removes those of a page of ended tasks whose time is over; only for the leader of the term. Whole sets are dropped instead, which
-- costs nothing; this is for what is kept for less than the others.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
), page as materialized (
  select id, state, kind, ended_at from windlass.outcome
  where id > %(after)s and exists (select from leads) order by id limit %(limit)s
), over as materialized (
  select id from page
  where ended_at < now() - interval '1 second' * least(
    %(longest)s,
    (select s.seconds from unnest(%(states)s::smallint[], %(state_seconds)s::float8[]) as s(state, seconds) where s.state = page.state),
    (select k.seconds from unnest(%(kinds)s::text[], %(kind_seconds)s::float8[]) as k(kind, seconds) where k.kind = page.kind))
), forgotten as materialized (
  select windlass.forget(array(select id from over)) where exists (select from over)
)
select (select max(id) from page), (select count(*) from page), (select count(*) from over), (select count(*) from forgotten)

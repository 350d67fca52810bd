-- Pools that nobody has named before get their slots; those that there are stay as they are.
insert into windlass.pool (name, slots, configured)
select name, slots, slots from unnest(%(names)s::text[], %(slots)s::int[]) as a(name, slots) order by name
on conflict (name) do nothing

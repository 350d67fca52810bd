-- Pools as configured. A live change stays until the configuration itself changes.
insert into windlass.pool as p (name, slots, configured)
select name, slots, slots from unnest(%(names)s::text[], %(slots)s::int[]) as a(name, slots) order by name
on conflict (name) do update set slots = excluded.slots, configured = excluded.configured where p.configured <> excluded.configured

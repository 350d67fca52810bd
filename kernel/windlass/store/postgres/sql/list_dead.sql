-- The tables that turn over fast and have more dead rows than they say is too many, where the server looks too seldom by itself;
-- only for the leader of the term. The default minute leaves 3,000,000 dead rows at 50k/s.
with leads as (
  select from windlass.leader where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now()
)
select c.relname::text
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
join lateral (select o.option_value::bigint as dead from pg_options_to_table(c.reloptions) o
              where o.option_name = 'autovacuum_vacuum_threshold') as most on true
where s.schemaname = 'windlass' and c.reloptions @> array['autovacuum_vacuum_scale_factor=0'] and s.n_dead_tup > most.dead
  and (current_setting('autovacuum') = 'off' or current_setting('autovacuum_naptime')::interval > %(naptime)s * interval '1 second')
  and exists (select from leads)
order by 1

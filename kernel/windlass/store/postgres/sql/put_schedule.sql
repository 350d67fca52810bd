-- Makes or changes a schedule; comes back empty when it is another's, or not at the revision that was read. Ticks that the ledger has
-- are settled, whatever became of the schedule since: they can't be decided twice. Other times settle what was due before.
insert into windlass.schedule as s (name, owner, revision, turn, spec, paused, since, next_at)
select %(name)s, %(owner)s, 1, 1, %(spec)s::jsonb, %(paused)s,
       greatest(now(), (select max(t.due_at) from windlass.tick t where t.schedule = %(name)s and t.outcome <> 4)), now()
where coalesce(%(revision)s::bigint, 0) = 0 or exists (select from windlass.schedule where name = %(name)s)
on conflict (name) do update set
  spec = excluded.spec, revision = s.revision + 1, turn = s.turn + 1, next_at = excluded.next_at,
  since = case when (s.spec -> 'cron', s.spec -> 'zone', s.spec -> 'interval')
                    is not distinct from (excluded.spec -> 'cron', excluded.spec -> 'zone', excluded.spec -> 'interval')
               then s.since else greatest(s.since, excluded.since) end
where s.owner is not distinct from excluded.owner and (%(revision)s::bigint is null or s.revision = %(revision)s)
returning pg_notify('windlass', %(hint)s)

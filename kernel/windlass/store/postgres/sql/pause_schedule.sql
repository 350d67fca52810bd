-- Stops a schedule or lets it go on. When it goes on is kept: what is found to have been due before counts as paused.
update windlass.schedule set
  paused = %(paused)s, turn = turn + 1, next_at = now(),
  resumed_at = case when paused and not %(paused)s then now() else resumed_at end
where name = %(name)s
returning pg_notify('windlass', %(hint)s)

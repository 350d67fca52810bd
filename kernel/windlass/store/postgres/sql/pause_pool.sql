-- Pauses or resumes a pool; the first who paused is kept.
update windlass.pool set
  paused_at = case when %(paused)s then coalesce(paused_at, now()) end,
  paused_by = case when %(paused)s then coalesce(paused_by, %(by)s) end,
  reason = case when not %(paused)s then '' when paused_at is null then %(reason)s else reason end
where name = %(name)s returning pg_notify('windlass', %(hint)s)

-- Notes that tokens were used, to the minute; what another node notes at this instant is left to it, so nobody waits.
update windlass.token set last_used_at = date_trunc('minute', now())
where id in (
  select id from windlass.token
  where id = any(%(tokens)s) and (last_used_at is null or last_used_at < date_trunc('minute', now()))
  order by id for update skip locked)

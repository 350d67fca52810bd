-- Removes old lines of the ledger; only for the leader of the term.
delete from windlass.tick where id = any(array(
  select id from windlass.tick
  where at < now() - %(keep)s * interval '1 second'
    and exists (select from windlass.leader
                where name = 'maintenance' and node = %(node)s and term = %(term)s and expires_at > now())
  order by at limit %(limit)s))
returning id

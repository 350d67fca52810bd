-- Takes an agent that is away out of the lists, with its own pool. One that joins at this instant holds its row, and has another epoch then.
with forgotten as (
  delete from windlass.agent a using windlass.node n
  where a.id = %(id)s and n.id = a.node and (n.left_at is not null or n.expires_at <= now())
    and not exists (select from windlass.running r where r.node = a.node)
  returning a.id
), unnamed as (
  delete from windlass.pool p using forgotten where p.name = 'agent:' || forgotten.id
)
select pg_notify('windlass', %(hint)s) from forgotten

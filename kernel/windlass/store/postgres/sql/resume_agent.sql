-- An epoch of an agent calls again: from elsewhere, or another server. One whose lease has run out stays over.
with renewed as (
  update windlass.node set renewed_at = now(), expires_at = now() + %(lease)s * interval '1 second'
  where id = %(epoch)s and agent = %(id)s and left_at is null and expires_at > now()
  returning id, draining_at
)
update windlass.agent set peer = %(peer)s, server = %(server)s from renewed
where agent.id = %(id)s and agent.node = renewed.id
returning renewed.draining_at is not null

-- A new token; in the transaction of its row in the audit log.
insert into windlass.token (digest, subject, role, origin, pools, created_by, expires_at)
values (%(digest)s, %(subject)s, %(role)s, %(origin)s, %(pools)s, %(created_by)s, now() + %(ttl)s * interval '1 second')
returning id, subject, role, origin, pools, created_by, created_at, expires_at, revoked_at, last_used_at,
       extract(epoch from expires_at - now())::float8

-- The token of a secret, by the secret's SHA-256; one that has ended too, so that its holder can be told.
select id, subject, role, origin, pools, created_by, created_at, expires_at, revoked_at, last_used_at,
       extract(epoch from expires_at - now())::float8
from windlass.token where digest = %(digest)s

-- One token; of another scope than `pools` there is none.
select id, subject, role, origin, pools, created_by, created_at, expires_at, revoked_at, last_used_at,
       extract(epoch from expires_at - now())::float8
from windlass.token
where id = %(token)s and (%(pools)s::text[] = '{}' or pools <> '{}' and pools <@ %(pools)s::text[])

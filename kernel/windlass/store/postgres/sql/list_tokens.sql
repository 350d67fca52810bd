-- Tokens, newest first; those that have ended only when asked for, those of another scope than `pools` never.
select id, subject, role, origin, pools, created_by, created_at, expires_at, revoked_at, last_used_at,
       extract(epoch from expires_at - now())::float8
from windlass.token
where id < %(before)s
  and (%(ended)s or revoked_at is null and (expires_at is null or expires_at > now()))
  and (%(pools)s::text[] = '{}' or pools <> '{}' and pools <@ %(pools)s::text[])
order by id desc limit %(limit)s

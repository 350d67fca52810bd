-- Makes a token worthless, once; the scope is checked in the same statement.
update windlass.token set revoked_at = now()
where id = %(token)s and revoked_at is null and (%(pools)s::text[] = '{}' or pools <> '{}' and pools <@ %(pools)s::text[])
returning id, subject, role, origin, pools, created_by, created_at, expires_at, revoked_at, last_used_at,
       extract(epoch from expires_at - now())::float8,
       pg_notify('windlass', %(hint)s)

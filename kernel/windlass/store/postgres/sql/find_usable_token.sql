-- Whether anybody could call with a token.
select true from windlass.token where revoked_at is null and (expires_at is null or expires_at > now()) limit 1

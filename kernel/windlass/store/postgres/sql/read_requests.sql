-- The tasks that earlier calls with these request ids made.
select id, body_hash, task from windlass.request where id = any(%(ids)s::uuid[])

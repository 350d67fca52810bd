-- list_audit.sql with a filter (put together in filters.py), applied on the way along the keys.
select id, at, subject, credential, role, method, resource, reason, request from windlass.audit
where id < %(before)s and {condition} order by id desc limit %(limit)s

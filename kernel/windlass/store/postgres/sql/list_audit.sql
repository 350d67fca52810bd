-- Privileged calls, newest first.
select id, at, subject, credential, role, method, resource, reason, request from windlass.audit
where id < %(before)s order by id desc limit %(limit)s

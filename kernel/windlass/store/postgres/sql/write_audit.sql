-- Writes a privileged call down: always in the transaction of its effect.
insert into windlass.audit (subject, credential, role, method, resource, reason, request)
values (%(subject)s, %(credential)s, %(role)s, %(method)s, %(resource)s, %(reason)s, %(request)s::jsonb)

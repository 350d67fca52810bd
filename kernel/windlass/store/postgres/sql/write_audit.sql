-- Writes a privileged call down: in the transaction of its effect, or before an effect that is not the database's.
insert into windlass.audit (subject, credential, role, method, resource, reason, request)
values (%(subject)s, %(credential)s, %(role)s, %(method)s, %(resource)s, %(reason)s, %(request)s::jsonb)

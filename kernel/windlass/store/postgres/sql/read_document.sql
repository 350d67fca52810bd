-- One version of a document; the newest when none is named.
select v.name, v.version, v.value, v.stored_at, v.stored_by
from windlass.document d
join windlass.document_version v on v.plugin = d.plugin and v.name = d.name and v.version = coalesce(%(version)s::bigint, d.version)
where d.plugin = %(plugin)s and d.name = %(name)s

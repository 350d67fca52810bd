-- A page of a plugin's documents, by name: the newest version of each. In the order of bytes,
-- nothing that begins with the prefix is outside of the two bounds, and nothing else between them.
select v.name, v.version, v.value, v.stored_at, v.stored_by
from windlass.document d
join windlass.document_version v on v.plugin = d.plugin and v.name = d.name and v.version = d.version
where d.plugin = %(plugin)s and d.name > %(after)s and d.name >= %(prefix)s and d.name <= %(prefix)s || chr(1114111)
order by d.name limit %(limit)s

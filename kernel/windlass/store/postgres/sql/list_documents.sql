-- A page of a plugin's documents, by name: the newest version of each. The bounds are what the key is walked between.
select v.name, v.version, v.value, v.stored_at, v.stored_by
from windlass.document d
join windlass.document_version v on v.plugin = d.plugin and v.name = d.name and v.version = d.version
where d.plugin = %(plugin)s and d.name > %(after)s and d.name >= %(prefix)s and d.name <= %(prefix)s || chr(1114111)
  and starts_with(d.name, %(prefix)s)
order by d.name limit %(limit)s

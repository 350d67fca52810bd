-- Stores the next version of a document; comes back empty when the newest is not the one expected, or is of this very put. A document
-- that did not exist begins at 1, whatever was expected: the caller sees that, and undoes it.
with head as (
  insert into windlass.document as d (plugin, name, version, put_id) values (%(plugin)s, %(name)s, 1, %(put_id)s)
  on conflict (plugin, name) do update set version = d.version + 1, put_id = excluded.put_id
  where (%(expected)s::bigint is null or d.version = %(expected)s) and d.put_id <> excluded.put_id
  returning d.plugin, d.name, d.version
)
insert into windlass.document_version (plugin, name, version, value, stored_by)
select head.plugin, head.name, head.version, %(value)s::json, %(by)s from head
returning version

-- Removes a document with all its versions; comes back empty when there is none, or its newest is not the one expected.
delete from windlass.document
where plugin = %(plugin)s and name = %(name)s and (%(expected)s::bigint is null or version = %(expected)s)
returning version

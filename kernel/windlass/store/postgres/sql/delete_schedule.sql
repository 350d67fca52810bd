-- Removes a schedule; comes back empty when it is another's, or not at the revision that was read. Its ledger stays.
delete from windlass.schedule
where name = %(name)s and owner is not distinct from %(owner)s and (%(revision)s::bigint is null or revision = %(revision)s)
returning name

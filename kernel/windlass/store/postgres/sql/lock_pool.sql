-- Shares change under this lock only.
select slots from windlass.pool where name = %(pool)s for no key update

-- How much is not due yet, counted up to a cap.
select count(*) from (select from windlass.deferred limit %(cap)s + 1) as few

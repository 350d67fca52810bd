-- The present time, and the seconds to the next schedule that is not due yet.
select now(), (select extract(epoch from min(next_at) - now())::float8 from windlass.schedule where next_at > now())

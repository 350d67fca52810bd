-- Chunks of a task's output, in order: as many as are asked for, or fewer once they are so many bytes together, but at least one.
-- The last column says how many there were before the bytes were counted.
select sequence, at, data, stream::int, dropped, among
from (
  select every.*, sum(octet_length(data)) over (order by sequence) as bytes, count(*) over () as among
  from (
    select sequence, at, data, stream, dropped from windlass.output
    where task = %(task)s and sequence > %(after)s and sequence < %(before)s and (%(stream)s::smallint is null or stream = %(stream)s)
    order by sequence limit %(limit)s
  ) as every
) as counted
where bytes - octet_length(data) < %(bytes)s
order by sequence

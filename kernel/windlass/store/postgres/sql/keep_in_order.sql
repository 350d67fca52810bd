-- For the rest of this transaction: rows come in the order of an index, so that a limit ends the look. A bitmap is whole before its first row
-- comes, and stale statistics make it look cheap: of 72,000 that waited all were read for the first 3,000.
select set_config('enable_bitmapscan', 'off', true)

-- The next statement of this transaction may take long, and holds nobody up meanwhile.
select set_config('statement_timeout', '30min', true)

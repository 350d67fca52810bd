-- The next statement of this transaction is a question that people put together: it may not take long.
select set_config('statement_timeout', %(milliseconds)s, true)

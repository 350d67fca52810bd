-- Proves what fence_last.sql said, beside everybody's work: it reads the whole set.
select windlass.prove_fence()

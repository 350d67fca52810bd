-- Ids have run into the last set: says how far they may go there, so that it can get an upper bound.
select windlass.fence_last(%(node)s, %(term)s)

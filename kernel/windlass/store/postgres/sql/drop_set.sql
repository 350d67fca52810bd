-- Drops a set in which nothing is wanted any more; only for the leader of the term. See windlass.drop_set.
select windlass.drop_set(%(node)s, %(term)s, %(lower)s)

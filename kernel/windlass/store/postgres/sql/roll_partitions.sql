-- Goes on to the next set of partitions when it is time; only for the leader of the term. See windlass.roll.
select windlass.roll(%(node)s, %(term)s, %(period)s)

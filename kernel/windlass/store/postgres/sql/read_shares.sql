-- The shares of live nodes in a pool.
select s.node, s.slots, s.in_use, s.hungry from windlass.pool_share s join windlass.node n on n.id = s.node
where s.pool = %(pool)s and n.left_at is null and n.expires_at > now()

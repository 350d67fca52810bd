-- The agent's row, held to the end of the transaction, so that of two who join at once one sees the other.
insert into windlass.agent as a (id, node, pools, slots, kinds, roles, peer, server) values (%(id)s, 0, '{}', '{}', '{}', '{}', '', '')
on conflict (id) do update set node = a.node
returning a.node, a.draining_at is not null

-- When a node was proved dead: it did not leave in good order. One whose lease ran out says so by its times.
alter table windlass.node add column lost_at timestamptz;

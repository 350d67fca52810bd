-- Asks the node that holds a task to end it. The first asker is kept.
update windlass.running set
  interrupt_at = coalesce(interrupt_at, now()),
  interrupt_by = coalesce(interrupt_by, %(by)s),
  interrupt_reason = coalesce(interrupt_reason, %(reason)s)
where id = %(task)s
returning node

-- The interrupts asked of what a node holds.
select id, interrupt_by, interrupt_reason from windlass.running where node = %(node)s and interrupt_at is not null

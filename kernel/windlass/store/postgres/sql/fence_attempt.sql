-- Keeps a running attempt where it is until the transaction that makes its children, or stores its documents, ends. Last in that
-- transaction: whoever ends the attempt, or interrupts its task, waits for one commit at most. A share lock, so that a flag set
-- meanwhile is not missed: who interrupts looks for children after that.
select interrupt_at is not null from windlass.running
where id = %(task)s and attempt = %(attempt)s and node = %(node)s
for share

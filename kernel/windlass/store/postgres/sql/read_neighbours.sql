-- The present nodes of this machine: only they can be judged by whether their process lives. The node itself is among them, so that it
-- hears whether it is drained without a look of its own.
select id, name, machine, pid, pid_started, kinds, version, draining_at is not null from windlass.node
where (machine = %(machine)s or id = %(node)s) and left_at is null

-- The other present nodes of this machine: only they can be judged by whether their process lives.
select id, name, machine, pid, pid_started, kinds from windlass.node
where machine = %(machine)s and id <> %(node)s and left_at is null

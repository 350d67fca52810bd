-- A new start of a node: its id is its epoch.
insert into windlass.node (name, machine, pid, pid_started, kinds, expires_at)
values (%(name)s, %(machine)s, %(pid)s, %(pid_started)s, %(kinds)s, now() + %(lease)s * interval '1 second')
returning id

-- A new start of a node: its id is its epoch.
insert into windlass.node (name, machine, pid, pid_started, kinds, version, renewed_at, expires_at, draining_at)
values (%(name)s, %(machine)s, %(pid)s, %(pid_started)s, %(kinds)s, %(version)s, now(), now() + %(lease)s * interval '1 second',
        case when %(draining)s then now() end)
returning id

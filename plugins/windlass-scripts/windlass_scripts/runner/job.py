"""What the runner is to start: written by the kernel, read by the runner, NUL-separated.

NUL can't occur in an argument, a variable or a path, and splitting at it needs no import.
"""

from __future__ import annotations

import os


class Job:
    """One start.  Everything is bytes, as the system call takes it; times are whole milliseconds."""

    __slots__ = ("argv", "cwd", "environment", "grace_ms", "linger_ms", "parent", "remove")

    def __init__(
        self,
        *,
        argv: list[bytes],
        environment: dict[bytes, bytes],
        cwd: bytes,
        remove: bytes,
        grace_ms: int,
        linger_ms: int,
        parent: int,
    ) -> None:
        """`remove` is the directory to delete should the kernel die; `parent` is the kernel's pid."""
        self.argv = argv
        self.environment = environment
        self.cwd = cwd
        self.remove = remove
        self.grace_ms = grace_ms
        self.linger_ms = linger_ms
        self.parent = parent

    def encode(self) -> bytes:
        head = [b"%d" % number for number in (self.grace_ms, self.linger_ms, self.parent, len(self.argv))]
        variables = [name + b"=" + value for name, value in self.environment.items()]
        return b"\0".join([*head, self.cwd, self.remove, *self.argv, *variables])

    @classmethod
    def decode(cls, data: bytes) -> Job:
        fields = data.split(b"\0")
        grace_ms, linger_ms, parent, count = (int(field) for field in fields[:4])
        variables = (field.partition(b"=") for field in fields[6 + count :])
        return cls(
            argv=fields[6 : 6 + count],
            environment={name: value for name, _, value in variables},
            cwd=fields[4],
            remove=fields[5],
            grace_ms=grace_ms,
            linger_ms=linger_ms,
            parent=parent,
        )


def read_job(fd: int) -> Job:
    """The job in the memory file `fd`, which is closed."""
    with os.fdopen(fd, "rb") as file:
        return Job.decode(file.read())

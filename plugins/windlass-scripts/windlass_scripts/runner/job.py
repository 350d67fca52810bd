"""What the runner is to start: written by the kernel, read by the runner, NUL-separated.

NUL can't occur in an argument, a variable or a path, and is refused in scripts; splitting at it needs no import.
"""

from __future__ import annotations

import os


class Job:
    """One start.  Everything is bytes, as the system call takes it; times are whole milliseconds."""

    __slots__ = ("argv", "confinement", "cwd", "descriptors", "environment", "grace_ms", "linger_ms", "root", "script")

    def __init__(
        self,
        *,
        argv: list[bytes],
        environment: dict[bytes, bytes],
        cwd: bytes,
        root: bytes,
        script: bytes,
        grace_ms: int,
        linger_ms: int,
        confinement: bytes = b"",
    ) -> None:
        """`root` is the private directory to make; `script`, unless empty, is the text to put into it.

        Without a `root` nothing is made: we are in a sandbox, and who started it did that.  `confinement` is a `Plan`.
        `descriptors`, set when they are made, are (ours, the script's): what it finds open beside 0, 1 and 2.
        """
        self.argv = argv
        self.environment = environment
        self.cwd = cwd
        self.root = root
        self.script = script
        self.grace_ms = grace_ms
        self.linger_ms = linger_ms
        self.confinement = confinement
        self.descriptors: list[tuple[int, int]] = []

    def encode(self) -> bytes:
        pairs = [b"%d=%d" % pair for pair in self.descriptors]
        head = [b"%d" % number for number in (self.grace_ms, self.linger_ms, len(self.argv))] + [b",".join(pairs)]
        variables = [name + b"=" + value for name, value in self.environment.items()]
        return b"\0".join([*head, self.confinement, self.cwd, self.root, self.script, *self.argv, *variables])

    @classmethod
    def decode(cls, data: bytes) -> Job:
        fields = data.split(b"\0")
        grace_ms, linger_ms, count = (int(field) for field in fields[:3])
        variables = (field.partition(b"=") for field in fields[8 + count :])
        job = cls(
            argv=fields[8 : 8 + count],
            environment={name: value for name, _, value in variables},
            confinement=fields[4],
            cwd=fields[5],
            root=fields[6],
            script=fields[7],
            grace_ms=grace_ms,
            linger_ms=linger_ms,
        )
        pairs = (pair.partition(b"=") for pair in fields[3].split(b",") if pair)
        job.descriptors = [(int(ours), int(theirs)) for ours, _, theirs in pairs]
        return job


def read_job(fd: int) -> Job:
    """The job in the memory file `fd`, which is closed."""
    with os.fdopen(fd, "rb") as file:
        return Job.decode(file.read())

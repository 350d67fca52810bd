"""How one script is to be confined: decided by the kernel (`confinement`), carried out by the runner.

Lines of `<word> <value>`, for they are read in every runner and need no parser.  A path with a newline in it is
refused where an operator writes it down.
"""

from __future__ import annotations


class Group:
    """A cgroup to make: its directory, and what to write into its files, in this order."""

    __slots__ = ("limits", "path")

    def __init__(self, path: str, limits: list[tuple[str, str]]) -> None:
        self.path = path
        self.limits = limits


class Plan:
    """One plan.  Empty, it asks for nothing beyond what every script gets."""

    __slots__ = ("denied", "disk", "groups", "readable", "rlimits", "sandbox", "stderr", "writable")

    def __init__(self) -> None:
        self.rlimits: list[tuple[int, int]] = []
        """Numbers of RLIMIT_… and their values, soft and hard alike."""
        self.groups: list[Group] = []
        self.readable: list[str] = []
        """Readable although something above them is denied."""
        self.writable: list[str] = []
        """With any of these the file rules hold: written is only here, read is everywhere but in `denied`."""
        self.denied: list[str] = []
        self.disk = 0
        """Bytes that the private directory may hold before the script is killed; 0 for any number."""
        self.sandbox: list[str] = []
        """The command that a runner inside of a sandbox is started by; empty for none."""
        self.stderr = -1
        """In a sandbox: the descriptor of the script's stderr, while the sandbox itself complains elsewhere."""

    def encode(self) -> bytes:
        lines = [f"rlimit {number} {value}" for number, value in self.rlimits]
        for group in self.groups:
            lines.append(f"group {group.path}")
            lines += [f"limit {name} {value}" for name, value in group.limits]
        for word in ("readable", "writable", "denied", "sandbox"):
            lines += [f"{word} {value}" for value in getattr(self, word)]
        lines += [f"disk {self.disk}", f"stderr {self.stderr}"]
        if any("\n" in line for line in lines):
            raise ValueError("a line break in a plan would be a line of its own")
        return "\n".join(lines).encode(errors="surrogateescape")

    @classmethod
    def decode(cls, data: bytes) -> Plan:
        plan = cls()
        for line in data.decode(errors="surrogateescape").split("\n") if data else ():
            word, _, value = line.partition(" ")
            if word == "rlimit":
                number, _, limit = value.partition(" ")
                plan.rlimits.append((int(number), int(limit)))
            elif word == "group":
                plan.groups.append(Group(value, []))
            elif word == "limit":
                name, _, limit = value.partition(" ")
                plan.groups[-1].limits.append((name, limit))
            elif word in ("disk", "stderr"):
                setattr(plan, word, int(value))
            else:
                getattr(plan, word).append(value)
        return plan

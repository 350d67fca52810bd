"""`[plugins.scripts]` in windlass.toml: what the operator allows scripts."""

from __future__ import annotations

import resource
from typing import Annotated

import msgspec
from msgspec import Meta

from windlass_scripts.confinement.levels import GIB, THE_MOST, Level, Limits
from windlass_scripts.names import FORBIDDEN, check_variable, refused

_INTERPRETERS = {
    "sh": ["sh"],
    "bash": ["bash"],
    "python3": ["python3", "-u"],  # unbuffered: a pipe would make Python hold its output back until the end
    "perl": ["perl"],
    "node": ["node"],
    "ruby": ["ruby"],
    "awk": ["awk", "-f"],
}

_DENIED = ["/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"]


class ScriptsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times are seconds.  Naming `interpreters` replaces the built-in list, it does not add to it."""

    interpreters: dict[str, list[str]] = msgspec.field(default_factory=lambda: dict(_INTERPRETERS))
    """Name → the program and its own arguments; the script's path and the task's arguments follow."""

    path: str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    """PATH of every script, and where interpreters are looked up.  A task may set its own PATH for itself."""

    inherit_environment: list[str] = []
    """Variables of the kernel's own environment that scripts see.  None, unless named here."""

    forbidden_environment: list[str] = msgspec.field(default_factory=lambda: list(FORBIDDEN))
    """Variables that no task may set, as patterns (`LD_*`).  All others are free."""

    secrets_directory: str = ""
    """Where the secrets are that tasks name (`prod/db`): a directory of ours with mode 0700, its files 0600."""

    library_only: bool = False
    """Tasks run scripts of the library and nothing else, and give them parameters, not variables or directories."""

    library_versions: int = 20
    """How many versions of each script in the library are kept."""

    output_cap: int = 1024 * 1024
    """Bytes of output kept for each attempt: half from the start, half from the end."""

    timeout: float = 3_600.0
    """For tasks that name none."""

    timeout_max: float = 86_400.0

    kill_grace: float = 5.0
    """Between SIGTERM and SIGKILL when a script is interrupted or out of time."""

    directory: str = ""
    """Where private working directories are made; empty means the system's place for temporary files."""

    confinement: Level = Level.BASIC
    """The level of tasks that name none; docs/confinement.md says what each holds."""

    confinement_least: Level = Level.BASIC
    """What no task may go below."""

    limits: Limits = Limits()
    """From `confined` upwards, of tasks that name none."""

    limits_max: Limits = THE_MOST
    """The most that a task may ask for."""

    writable_paths: list[str] = []
    """Where confined and strict scripts may write beside their private directory."""

    denied_paths: list[str] = msgspec.field(default_factory=lambda: list(_DENIED))
    """What confined and strict scripts can't read.  Naming some replaces the built-in list."""

    cgroup: str = ""
    """The group to make groups in, as seen from the root of its tree; empty means the one the kernel runs in."""

    open_files_max: Annotated[int, Meta(ge=128)] = 4_096
    """At every level, of one process."""

    file_size_max: Annotated[int, Meta(ge=1)] = 16 * GIB
    """At every level: the bytes that one file may grow to."""

    cpu_seconds_max: Annotated[int, Meta(ge=1)] | None = None
    """At every level, of one process; none means any."""

    def rlimits(self) -> list[tuple[int, int]]:
        """Numbers of RLIMIT_… and their values."""
        found = [(resource.RLIMIT_NOFILE, self.open_files_max), (resource.RLIMIT_FSIZE, self.file_size_max)]
        if self.cpu_seconds_max is not None:
            found.append((resource.RLIMIT_CPU, self.cpu_seconds_max))
        return found

    def __post_init__(self) -> None:
        self._check_confinement()
        if not 0 < self.timeout <= self.timeout_max < float("inf"):
            raise ValueError(
                f"timeout must be above 0 and at most timeout_max ({self.timeout_max} s), not {self.timeout}"
            )
        if not 0 < self.kill_grace <= 60:
            raise ValueError(f"kill_grace must be above 0 and at most 60 s, not {self.kill_grace}")
        for name, prefix in self.interpreters.items():
            if not prefix or not all(prefix):
                raise ValueError(f"interpreters.{name} must name a program, then its arguments if it needs any")
        for name in self.inherit_environment:
            check_variable("inherit_environment", name)
        if clash := refused(self.inherit_environment, self.forbidden_environment):
            raise ValueError(f"inherit_environment: {clash} is among forbidden_environment; drop one of them")
        if self.secrets_directory and not self.secrets_directory.startswith("/"):
            raise ValueError(f"secrets_directory must be an absolute path, not {self.secrets_directory!r}")
        _within("library_versions", self.library_versions, 1, 100)
        _within("output_cap", self.output_cap, 1024, 64 * 1024 * 1024)

    def _check_confinement(self) -> None:
        if self.confinement.rank < self.confinement_least.rank:
            least = self.confinement_least.value
            raise ValueError(f"confinement must be at least confinement_least ({least}), not {self.confinement.value}")
        for name in self.limits.__struct_fields__:
            if getattr(self.limits, name) > getattr(self.limits_max, name):
                raise ValueError(f"limits.{name} must be at most limits_max.{name} ({getattr(self.limits_max, name)})")
        for field in ("writable_paths", "denied_paths"):
            for path in getattr(self, field):
                if not path.startswith("/") or path == "/" or "\n" in path:
                    raise ValueError(f"{field}: {path!r} must be an absolute path below /, without a line break")
        if self.cgroup and not self.cgroup.startswith("/"):
            raise ValueError(f"cgroup: {self.cgroup!r} must start with /, like /windlass.slice")


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {value}")

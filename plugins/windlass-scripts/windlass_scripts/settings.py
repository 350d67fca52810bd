"""`[plugins.scripts]` in windlass.toml: what the operator allows scripts."""

from __future__ import annotations

import msgspec

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

    def __post_init__(self) -> None:
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


def _within(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {value}")

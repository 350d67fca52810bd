"""`[plugins.backups]` in windlass.toml: what may be backed up, and to where.  A payload only names what stands here."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from datetime import timedelta

import msgspec

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""Of sources and targets.  They are parts of paths and of schedules' names, so nothing in them needs quoting."""

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


class Planned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every source has: where it goes, when it is backed up, and when the newest backup is proved."""

    targets: list[str] = []
    """By name; empty: all there are.  Each is a backup of its own."""

    every: str = ""
    """`24h`, `30m`, `7d`; or `cron`, five fields read in `zone`.  Without either, somebody has to ask."""

    cron: str = ""
    zone: str = "UTC"

    verify_every: str = ""
    """The same for VerifyBackup of the newest."""

    verify_cron: str = ""

    def __post_init__(self) -> None:
        for prefix in ("", "verify_"):
            every, cron = getattr(self, f"{prefix}every"), getattr(self, f"{prefix}cron")
            if every and cron:
                raise ValueError(f"{prefix}every and {prefix}cron exclude each other: name one of them")
            if every:
                seconds(every, f"{prefix}every")


class PostgresSource(Planned, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="postgres"):
    """A database.  The file holds one libpq DSN, and nobody but its owner may read it."""

    dsn_file: str
    verify_dsn_file: str = ""
    """The server on which its restore is tried; empty: the one named for all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_path("dsn_file", self.dsn_file)
        if self.verify_dsn_file:
            _check_path("verify_dsn_file", self.verify_dsn_file)


class DirectorySource(
    Planned, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="directory"
):
    """A directory tree."""

    path: str
    exclude: list[str] = []
    """Globs.  One without a slash is compared with names at any depth, one with a slash with paths below `path`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_path("path", self.path)
        if not all(pattern.strip("/") for pattern in self.exclude):
            raise ValueError("exclude holds an empty pattern, which would leave everything out: remove it")


Source = PostgresSource | DirectorySource


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder that is there already: a disk that is not mounted must not be taken for an empty one.

    Of each source so many of the newest are kept, none older than so many days, and always the last good one.
    Nothing is removed by a limit that is not set.
    """

    path: str
    keep: int | None = None
    keep_days: float | None = None

    def __post_init__(self) -> None:
        _check_path("path", self.path)
        if self.keep is not None and self.keep < 1:
            raise ValueError(f"keep must be at least 1, not {self.keep}; leave it out to keep all")
        if self.keep_days is not None and not 0 < self.keep_days < 100_000:
            raise ValueError(f"keep_days must be above 0, not {self.keep_days}; leave it out to keep all")


class BackupsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All paths are absolute, and mean this machine's."""

    sources: dict[str, Source] = {}
    targets: dict[str, Target] = {}

    pg_bin: list[str] = []
    """Folders with pg_dump and pg_restore, looked at before the usual ones."""

    verify_dsn_file: str = ""
    """A server where databases may be made and dropped, named like `dsn_file`: restores are tried there."""

    scratch: str = ""
    """Where trees are unpacked to be verified; empty: the system's place for temporary files."""

    level: int = 3
    """Of zstd, 1 (fast) to 19 (small)."""

    def __post_init__(self) -> None:
        for kind, names in (("sources", self.sources), ("targets", self.targets)):
            for name in names:
                if not NAME.fullmatch(name):
                    raise ValueError(f"{kind}.{name}: a name has 1 to 40 characters of a-z, 0-9, '_' and '-'")
        for name, source in self.sources.items():
            _check_targets(name, source, self.targets)
        paths = [os.path.normpath(target.path) for target in self.targets.values()]
        if double := {path for path in paths if paths.count(path) > 1}:
            raise ValueError(f"two targets share the path {double.pop()}: give each a folder of its own")
        for path in filter(None, [*self.pg_bin, self.verify_dsn_file, self.scratch]):
            _check_path("pg_bin, verify_dsn_file and scratch", path)
        if not 1 <= self.level <= 19:
            raise ValueError(f"level must be from 1 to 19, not {self.level}")

    def targets_of(self, source: str) -> list[str]:
        """The names of the targets that this source goes to."""
        return self.sources[source].targets or list(self.targets)

    def verify_dsn_of(self, source: PostgresSource) -> str:
        return source.verify_dsn_file or self.verify_dsn_file


def seconds(text: str, field: str) -> float:
    """`24h`, `1d12h`, `90m` in seconds.  Raises ValueError that names the field."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{field} is a duration such as 30m, 24h or 7d, which {text!r} is not")
    total = timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts)).total_seconds()
    if not 60 <= total <= 366 * 86_400:
        raise ValueError(f"{field} must be from 1 minute to 366 days, not {text}")
    return total


def nearest(name: str, known: Iterable[str]) -> str:
    """What to say after "there is no …": the nearest known name, or all of them."""
    there = sorted(known)
    near = difflib.get_close_matches(name, there, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {', '.join(there)}" if there else "none is configured"


def _check_targets(name: str, source: Source, targets: Iterable[str]) -> None:
    for target in source.targets:
        if target not in targets:
            raise ValueError(f"sources.{name}.targets: there is no target {target!r}; {nearest(target, targets)}")
    if not targets:
        raise ValueError(f"sources.{name} has nowhere to go: configure [plugins.backups.targets.<name>] with a path")


def _check_path(field: str, path: str) -> None:
    if not os.path.isabs(path):
        raise ValueError(f"{field} must be an absolute path, not {path!r}")

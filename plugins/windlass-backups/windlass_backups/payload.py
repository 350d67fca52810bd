"""What may be asked: names of what is configured, and nothing else."""

from __future__ import annotations

from typing import Literal

import msgspec


class BackupPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`target` may be left out when the source has only one."""

    source: str
    target: str = ""


class VerifyPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One backup by its name ("main/2026-11-22T15-04-05.123Z"), or the newest of a source.

    `target` may be left out: then the named backup must be in one target only, and the newest is that of all targets.
    """

    backup: str = ""
    source: str = ""
    which: Literal["newest"] = "newest"
    target: str = ""

    def __post_init__(self) -> None:
        if bool(self.backup) == bool(self.source):
            raise ValueError("name exactly one of `backup` (source/time, as backups.list has it) and `source`")

"""The three levels, and the limits that a task runs under from `confined` upwards."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from windlass import Rejected

MIB = 1024 * 1024
GIB = 1024 * MIB


class Level(StrEnum):
    """From loose to tight; each holds what the one before it does."""

    BASIC = "basic"
    CONFINED = "confined"
    STRICT = "strict"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


_Count = Annotated[int, Meta(ge=1)]
_Bytes = Annotated[int, Meta(ge=4 * MIB)]
_Cores = Annotated[float, Meta(ge=0.01)]


class LimitsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a task wants otherwise than the node's usual.  Bytes and CPU cores."""

    pids_max: Annotated[_Count | None, Meta(description="Processes and threads at once.")] = None
    memory_max: Annotated[_Bytes | None, Meta(description="Bytes of memory of all its processes together.")] = None
    cpu_max: Annotated[_Cores | None, Meta(description="CPU cores it may use, like 0.5.")] = None
    disk_max: Annotated[_Bytes | None, Meta(description="Bytes that its private directory may hold.")] = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one task, all its processes together.  Bytes and CPU cores."""

    pids_max: _Count = 256
    memory_max: _Bytes = 512 * MIB
    cpu_max: _Cores = 1.0
    disk_max: _Bytes = GIB

    @property
    def described(self) -> str:
        """ "at most 64 processes, 256 MiB of memory, …"."""
        memory, disk = (_size(number) for number in (self.memory_max, self.disk_max))
        cores = "CPU" if self.cpu_max == 1 else "CPUs"
        return f"at most {self.pids_max} processes, {memory} of memory, {self.cpu_max:g} {cores}, {disk} of files"


THE_MOST = Limits(pids_max=4_096, memory_max=8 * GIB, cpu_max=64.0, disk_max=64 * GIB)


def level_of(asked: Level | None, usual: Level, least: Level) -> Level:
    """The level a task runs at.  Raises Rejected when it asks for less than the operator demands."""
    level = asked or usual
    if level.rank < least.rank:
        raise Rejected(
            f"confinement: {level.value!r} is less than {least.value!r}, the least that is allowed here; leave it out"
        )
    return level


def tighter(one: Level | None, other: Level | None) -> Level | None:
    """The tighter of two that may have been left out."""
    return max(filter(None, (one, other)), key=lambda level: level.rank, default=None)


def limits_of(asked: LimitsAsked | None, level: Level, usual: Limits, most: Limits) -> Limits:
    """The limits a task runs under.  Raises Rejected for more than allowed, and for any where none would hold."""
    wanted: dict[str, Any] = {} if asked is None else msgspec.to_builtins(asked)
    if wanted and level is Level.BASIC:
        raise Rejected(f"limits: {', '.join(wanted)} need confinement 'confined' or 'strict'; ask for one of them")
    for name, value in wanted.items():
        if value > getattr(most, name):
            raise Rejected(f"limits.{name}: {value} is more than the {getattr(most, name)} allowed; ask for less")
    limits = msgspec.structs.replace(usual, **wanted)
    if level is Level.STRICT:
        # Files are in memory there, and count as such: the script should meet a full disk before it is killed for it.
        return msgspec.structs.replace(limits, disk_max=min(limits.disk_max, limits.memory_max // 2))
    return limits


def _size(number: int) -> str:
    for unit, size in (("GiB", GIB), ("MiB", MIB)):
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number} bytes"

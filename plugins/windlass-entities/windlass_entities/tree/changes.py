"""Which paths differ between generations: what a standing tree must be given to be like the current one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from windlass_entities.tree.desk import Desk
from windlass_entities.tree.names import Generation, check_path, generations_among


class Change(msgspec.Struct, frozen=True):
    """What was done to the generation `base` to make `generation`.  `is_new`: trees before it can't be continued."""

    generation: Generation
    base: Generation
    paths: list[str]
    is_new: bool = False


def record(desk: Desk, change: Change) -> None:
    """Raises OSError."""
    path = _place(desk, change.generation)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(msgspec.json.encode(change))
    os.replace(unfinished, path)


def between(desk: Desk, since: Generation, until: Generation) -> list[str] | None:
    """All paths that changed from one to the other; None when that is not known, or the one can't be continued."""
    paths: dict[str, None] = {}
    while until.number > since.number:
        change = _read(desk, until)
        if change is None or change.is_new:
            return None
        paths.update(dict.fromkeys(change.paths))
        until = change.base
    return list(paths) if until == since else None


def forget(desk: Desk, until: int) -> None:
    """Those up to a number are needed no more.  Raises OSError."""
    for name in os.listdir(desk.path / "changes"):
        for generation in generations_among([name.rpartition(".")[0]]):
            if generation.number <= until:
                (desk.path / "changes" / name).unlink(missing_ok=True)


def _place(desk: Desk, generation: Generation) -> Path:
    return desk.path / "changes" / f"{generation.name}.json"


def _read(desk: Desk, generation: Generation) -> Change | None:
    with suppress(OSError, ValueError):
        change = msgspec.json.decode(_place(desk, generation).read_bytes(), type=Change)
        if change.generation == generation and change.base.number == generation.number - 1:
            for path in change.paths:
                check_path(path)
            return change
    return None

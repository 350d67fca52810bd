"""The names in a root folder.  Pure.

    current              symlink to generations/GENERATION: the switch
    public               symlink to current/public, for web servers
    generations/GENERATION/     one whole tree each: public/… and private/…
    writers/FENCE/       what only the writer with that fence touches; there is exactly one such folder
        trees/GENERATION.K/         standing trees, with the content of that generation
        changes/GENERATION.json     which paths differ from the generation before it
        superseded/GENERATION       empty; its time is when the generation was first seen superseded
        garbage/                    what is to be removed
        work.FENCE/      the tree that is being made; settling.FENCE/ likewise; next.FENCE the symlink to come
    staging/…            files of drafts, until they are published

A GENERATION is `00000008.000000000057`: its number, and the fence of who wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_PATH = re.compile(r"(?:public|private)(?:/[A-Za-z0-9_][A-Za-z0-9_.+@=-]{0,199}){1,3}")
_GENERATION = re.compile(r"(\d{8})\.(\d{12})")
_STANDING = re.compile(r"(\d{8}\.\d{12})\.\d+")
_WRITER = re.compile(r"\d{12}")


class Generation(NamedTuple):
    """Numbers have no gaps; the fence tells the one that was published from what others left unfinished."""

    number: int
    fence: int

    @property
    def name(self) -> str:
        return f"{self.number:08d}.{self.fence:012d}"

    @property
    def target(self) -> str:
        """What `current` says."""
        return f"generations/{self.name}"


NOTHING = Generation(0, 0)
"""What `current` names before the first publication; there is no such folder."""


def check_path(path: str) -> str:
    """The path of a file in a tree.  Raises ValueError for what could lead out of it or hide in it."""
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"{path!r} is no path in a tree: public/ or private/, and one to three names of letters, digits and "
            f"_.+@=-, none of which begins with anything but a letter, a digit or _"
        )
    return path


def check_gone(path: str) -> str:
    """A path below public/ or private/, whatever hands have put there.  Raises ValueError for one that leads out."""
    top, *names = path.split("/")
    if top not in ("public", "private") or not names or {"", ".", ".."} & set(names) or "\0" in path:
        raise ValueError(f"{path!r} is no path in a tree: one below public/ or private/")
    return path


def generation_of(name: str) -> Generation | None:
    found = _GENERATION.fullmatch(name)
    return Generation(int(found[1]), int(found[2])) if found else None


def generation_in(target: str) -> Generation | None:
    return generation_of(target.removeprefix("generations/")) if target.startswith("generations/") else None


def generations_among(names: Iterable[str]) -> list[Generation]:
    """Oldest first; what is none is left out."""
    return sorted(found for found in map(generation_of, names) if found is not None)


def standing_name(generation: Generation, serial: int) -> str:
    return f"{generation.name}.{serial}"


def generation_of_standing(name: str) -> Generation | None:
    found = _STANDING.fullmatch(name)
    return generation_of(found[1]) if found else None


def writer_name(fence: int) -> str:
    return f"{fence:012d}"


def writers_among(names: Iterable[str]) -> list[int]:
    """The fences, lowest first."""
    return sorted(int(name) for name in names if _WRITER.fullmatch(name))

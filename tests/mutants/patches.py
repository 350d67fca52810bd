"""Mutants: faults that others shipped, as patches to our own source.  Each names the tests that must catch it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
SOURCES = (
    "kernel/windlass",
    "clients/windlass-client/windlass_client",
    "plugins/windlass-buffer/windlass_buffer",
    "plugins/windlass-entities/windlass_entities",
)
CAUGHT_BY = "Caught by: "


class Mutant(NamedTuple):
    """`what` is the fault in one line; `tests` are what pytest is given."""

    name: str
    what: str
    tests: tuple[str, ...]
    patch: Path


def mutants() -> list[Mutant]:
    """Every patch beside this file, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.patch"))]


def copy_of_the_source(folder: Path) -> Iterator[Path]:
    """The folders to put first on the path, after everything of ours was copied below `folder`."""
    for source in SOURCES:
        shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        yield (folder / source).parent


def apply(mutant: Mutant, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Mutate the copy below `folder`; with `--check` only say whether that can be done.

    Lines may have moved; what stands around the fault may not have changed.
    """
    # Outside of any repository, else git takes the paths for those of that one.
    surroundings = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    command = ["git", "apply", "--whitespace=nowarn", *options, str(mutant.patch)]
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True)


def _read(path: Path) -> Mutant:
    what, caught_by = path.read_text().splitlines()[:2]
    assert caught_by.startswith(CAUGHT_BY), path
    return Mutant(path.stem, what, tuple(caught_by.removeprefix(CAUGHT_BY).split()), path)

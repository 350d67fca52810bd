"""Removing what was thrown away, in small steps: thousands of files that lose their last name cost seconds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress

from windlass_entities.tree.desk import Desk, leftovers
from windlass_entities.tree.placing import STEP


def removing(desk: Desk) -> Iterator[int]:
    """Empty the garbage; how many files are removed after each step.  Raises OSError."""
    done = 0
    for folder in leftovers(desk.root):
        shutil.rmtree(folder, ignore_errors=True)
    for parent, folders, files in os.walk(desk.garbage, topdown=False):
        for name in files:
            with suppress(FileNotFoundError):
                os.unlink(f"{parent}/{name}")
            done += 1
            if done % STEP == 0:
                yield done
        for name in folders:
            _remove_folder(f"{parent}/{name}")
    yield done


def _remove_folder(path: str) -> None:
    try:
        os.rmdir(path)
    except NotADirectoryError:
        os.unlink(path)  # a symlink to a folder, planted by hand

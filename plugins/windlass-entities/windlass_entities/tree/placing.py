"""Putting files into a tree that nobody reads yet.

Files are shared between trees by hard links, so none is ever written to: what changes is unlinked first.  Everything
goes by whole paths (see desk.py) and raises OSError.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from windlass_entities.tree.draft import Draft
from windlass_entities.tree.names import check_gone, check_path
from windlass_entities.tree.trouble import TreeTrouble

STEP = 100
"""File operations between two steps: a few milliseconds at most."""


def check(draft: Draft) -> None:
    """Raises ValueError for a path that is none, TreeTrouble for a staged file that is not there or no plain file."""
    for path in draft.gone:
        check_gone(path)
    for path, staged in draft.files.items():
        check_path(path)
        if isinstance(staged, Path):
            _check_staged(path, staged)


def link_whole(source: Path, tree: Path) -> Iterator[int]:
    """Make `tree` with all the files of `source`; how many were done is told after each step."""
    tree.mkdir(mode=0o755)
    done = 0
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(f"{source}{folder}") as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    _make_folder(f"{tree}{name}")
                    pending.append(name)
                elif entry.is_file(follow_symlinks=False):
                    done += _link(entry.path, f"{tree}{name}")
                    if done % STEP == 0:
                        yield done
    yield done


def replay(source: Path, tree: Path, paths: Collection[str]) -> Iterator[int]:
    """Make these paths of `tree` like those of `source`, whatever they were; how many were done after each step."""
    _refuse_links(tree, paths)
    for done, path in enumerate(paths, 1):
        _remove(f"{tree}/{path}")
        if not _link(f"{source}/{path}", f"{tree}/{path}") and os.path.lexists(f"{source}/{path}"):
            _make_folders(tree, path)
            _link(f"{source}/{path}", f"{tree}/{path}")
        if done % STEP == 0:
            yield done
    yield len(paths)


def place(tree: Path, draft: Draft) -> int:
    """Bring what is new, take away what is gone; how many files that were there are not any more."""
    _refuse_links(tree, draft.files)
    for path, content in draft.files.items():
        target = f"{tree}/{path}"
        try:
            _put(target, content)
        except (FileNotFoundError, NotADirectoryError):
            _make_folders(tree, path)
            _put(target, content)
        except IsADirectoryError:
            shutil.rmtree(target)
            _put(target, content)
    return 0 if draft.is_whole else sum(_remove(f"{tree}/{path}") for path in draft.gone if path not in draft.files)


def _refuse_links(tree: Path, paths: Iterable[str]) -> None:
    """Raises OSError where a folder of the tree has become a symlink: nothing is written through one."""
    for folder in {path.rpartition("/")[0] for path in paths}:
        if os.path.islink(f"{tree}/{folder}"):
            raise NotADirectoryError(errno.ENOTDIR, "has become a symlink: repair the tree", f"{tree}/{folder}")


def _put(target: str, content: Path | bytes) -> None:
    if isinstance(content, Path):
        os.rename(content, target)
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(target, flags, 0o444)
    except FileExistsError:
        os.unlink(target)
        descriptor = os.open(target, flags, 0o444)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _check_staged(path: str, staged: Path) -> None:
    try:
        facts = os.lstat(staged)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            raise TreeTrouble(f"{staged}, staged for {path}, is no plain file of its own")
        if facts.st_mode & 0o777 != 0o444:
            os.chmod(staged, 0o444)
    except OSError as error:
        raise TreeTrouble(f"{staged}, staged for {path}: {error.strerror}") from error


def _link(source: str, target: str) -> bool:
    """False when there is no such source: somebody took it away by hand, and the check will find that."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except IsADirectoryError:
        shutil.rmtree(path)  # a folder where a file should be, made by hand
    return True


def _make_folders(tree: Path, path: str) -> None:
    """Those above a path, but not the tree itself: a writer who lost it must not make it again."""
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        _make_folder(f"{tree}/{'/'.join(parts[:depth])}")


def _make_folder(path: str) -> None:
    mode = 0o700 if path.endswith("/private") else 0o755
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if os.path.isfile(path):  # a file where a folder should be, made by hand
            os.unlink(path)
            os.mkdir(path, mode)

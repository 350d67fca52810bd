"""The bubblewrap command of the level `strict`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import msgspec

from windlass_scripts import runner

NAMESPACES = ("--unshare-user-try", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
_EMPTIED = ("/tmp", "/var/tmp")  # noqa: S108 - the sandbox's own, in memory
"""Directories of which a script has its own."""

_MAIN = os.path.join(os.path.dirname(os.path.realpath(runner.__file__)), "__main__.py")


class View(msgspec.Struct, frozen=True):
    """What a sandboxed script sees of the file system; all of it can be read but for `denied`.

    `home`, /tmp and the like are its own, in memory, of `size` bytes each.  Of `place`, where all scripts have their
    private directories, it sees what is in `readable` and its `home`.
    """

    place: str
    home: str
    size: int
    readable: Sequence[str] = ()
    writable: Sequence[str] = ()
    denied: Sequence[str] = ()


def find_bubblewrap() -> str | None:
    return shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")


def sandbox_command(bubblewrap: str, view: View) -> list[str]:
    """The command; what is appended to it are the arguments of the runner inside."""
    hidden = _hidden(view)
    return [
        bubblewrap,
        *NAMESPACES,
        "--unshare-cgroup-try",
        "--die-with-parent",
        "--as-pid-1",
        *("--cap-drop", "ALL"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *_memory("/dev/shm", view.size),  # noqa: S108 - the sandbox's own
        *("--remount-ro", "/dev"),
        *_hide("/run"),
        *(word for path in _EMPTIED if path in hidden for word in _memory(path, view.size)),
        *(_hide(view.place) if not _is_below(view.place, _EMPTIED) else ()),
        *(word for path in view.denied if not _is_below(path, hidden) for word in _deny(path)),
        *(word for path in _needed(view) for word in ("--ro-bind", path, path)),
        *_memory(view.home, view.size),
        *(word for path in view.writable for word in ("--bind", path, path)),
        *("--", os.path.realpath(sys.executable), "-I", "-S", _MAIN),
    ]


def hides(view: View, path: str) -> bool:
    """Whether a script sees something else there, or nothing."""
    return _is_below(path, [*_hidden(view), *view.denied])


def _hidden(view: View) -> list[str]:
    return ["/run", *filter(os.path.isdir, _EMPTIED), view.place]


def _memory(path: str, size: int) -> tuple[str, ...]:
    return ("--size", str(size), "--tmpfs", path)


def _hide(path: str) -> tuple[str, ...]:
    """Empty, but that what is seen nevertheless has its mount points there."""
    return ("--size", "65536", "--tmpfs", path)


def _deny(path: str) -> tuple[str, ...]:
    if os.path.isdir(path):
        return (*_hide(path), "--remount-ro", path)
    # A device file where devices don't work: it is there, and whoever opens it is refused.
    return ("--ro-bind", "/dev/null", path) if os.path.exists(path) else ()


def _needed(view: View) -> list[str]:
    """What has to be seen although it lies below something hidden: Python and ourselves often do when developing."""
    ourselves = [os.path.realpath(sys.base_prefix), os.path.dirname(_MAIN)]
    return [path for path in [*ourselves, *view.readable] if hides(view, path)]


def _is_below(path: str, places: Sequence[str]) -> bool:
    return any((path + "/").startswith(place + "/") for place in places)

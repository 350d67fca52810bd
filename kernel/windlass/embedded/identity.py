"""How to run a server that refuses root.

PostgreSQL refuses root, and initdb refuses a user id without a name. Three ways, the first that works:

- `same`: an ordinary user with a name runs the server as it is.
- `namespace`: a user namespace in which we are called `nobody`. On disk nothing changes: files keep their outer owner.
- `user`: root becomes `nobody` for real, where namespaces are refused (many containers). Files must then belong to it,
  and it may be unable to reach them below somebody's 0700 home, which is why reach is asked, never assumed.

No user is ever created and no permission of a folder we did not make is ever changed.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Literal

from windlass.embedded.errors import EmbeddedError

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Identity:
    """How a server runs: `uid` and `gid` are what it is called, `owner` and `group` what it is on disk."""

    how: Literal["same", "namespace", "user"]
    uid: int
    gid: int
    owner: int
    group: int

    def command(self, argv: Sequence[str], death_signal: Signals) -> list[str]:
        """What to exec from this thread so that `argv` runs under this identity and gets the signal when we die."""
        spec = "same" if self.how == "same" else f"{self.how}:{self.uid}:{self.gid}"
        return [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(death_signal)), spec, *argv]

    def reaches(self, paths: Sequence[Path]) -> frozenset[Path] | None:
        """Those of `paths` it may enter or execute; None when this machine refuses the identity. Really tries it."""
        if self.how == "same":
            return frozenset(path for path in paths if os.access(path, os.X_OK))
        command = self.command(["--reaches", *map(str, paths)], Signals.SIGKILL)
        tried = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if tried.returncode != 0:
            return None
        answers = tried.stdout.split()
        return frozenset(path for path, answer in zip(paths, answers, strict=True) if answer == "yes")

    def own(self, path: Path) -> None:
        """Makes a file or a folder of ours, and all in it, belong to this identity.

        Only root has something to change: what an earlier start left to it or to `nobody`. Another user's data is not
        taken away from that user.
        """
        owner = path.stat().st_uid
        if owner == self.owner:
            return
        if os.geteuid() != 0 or owner not in (0, self.uid):
            raise EmbeddedError(
                f"{path} belongs to user id {owner}: run as that user, or choose another data directory"
            )
        for parent, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(os.path.join(parent, name), self.owner, self.group, follow_symlinks=False)
        # Last: an interrupted walk leaves the top with its old owner, and the next start walks again.
        os.chown(path, self.owner, self.group)


def choose(paths: Sequence[Path], *, namespaces: bool = True) -> tuple[Identity, frozenset[Path]]:
    """The identity to run the servers as, and those of `paths` it reaches.

    `namespaces=False` behaves as a machine that refuses them (tests).
    """
    tried = [identity for identity in _candidates() if namespaces or identity.how != "namespace"]
    for identity in tried:
        if (reached := identity.reaches(paths)) is not None:
            return identity, reached
    raise EmbeddedError(_refusal())


def _candidates() -> list[Identity]:
    me, group = os.geteuid(), os.getegid()
    if me != 0 and _has_name(me):
        return [Identity("same", me, group, me, group)]
    if (other := _ordinary_user()) is None:
        return []
    inside = Identity("namespace", other.pw_uid, other.pw_gid, me, group)
    if me != 0:
        return [inside]
    return [inside, Identity("user", other.pw_uid, other.pw_gid, other.pw_uid, other.pw_gid)]


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _ordinary_user() -> pwd.struct_passwd | None:
    """Some user other than root, since initdb looks the name up; nobody by preference."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        return next((entry for entry in pwd.getpwall() if entry.pw_uid != 0), None)


def _refusal() -> str:
    if os.geteuid() == 0:
        return (
            "PostgreSQL refuses to run as root, and this machine allows neither user namespaces nor becoming `nobody`: "
            "run as an ordinary user, or configure a DSN"
        )
    return (
        f"user id {os.geteuid()} has no name, which PostgreSQL needs, and this machine allows no user namespaces: "
        "add it to /etc/passwd, run as a named user, or configure a DSN"
    )

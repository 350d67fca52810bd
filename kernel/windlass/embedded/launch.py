"""Turns itself into a server: takes on an identity, ties its life to the supervisor's, then execs.

    python -I -S launch.py PARENT SIGNAL IDENTITY PROGRAM [ARGUMENT…]
    python -I -S launch.py PARENT SIGNAL IDENTITY --reaches PATH…

IDENTITY is `same`, `namespace:UID:GID` or `user:UID:GID` (see identity.py). The second form prints one word, `yes`
or `no`, per path: may this identity get there and enter or execute it? Exit status 97: the identity was refused.

A script of its own rather than a `preexec_fn`: nothing of ours ever runs between a fork and an exec. It imports
nothing of the package, so that it is at the server within about 15 ms.
"""

from __future__ import annotations

import ctypes
import os
import sys

REFUSED = 97
CLONE_NEWUSER = 0x10000000  # linux/sched.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> int:
    parent, death_signal, identity, *command = arguments
    try:
        become(identity)
    except OSError as error:
        print(f"identity {identity} refused: {error}", file=sys.stderr)
        return REFUSED
    if command[0] == "--reaches":
        print(*("yes" if os.access(path, os.X_OK) else "no" for path in command[1:]))
    else:
        die_with(int(parent), int(death_signal))
        os.execv(command[0], command)
    return 0


def become(identity: str) -> None:
    """Raises OSError where the machine does not allow it."""
    how, _, ids = identity.partition(":")
    if how == "same":
        return
    uid, gid = map(int, ids.split(":"))
    if how == "namespace":
        _enter_namespace(uid, gid)
    else:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def _enter_namespace(uid: int, gid: int) -> None:
    """On disk we stay who we are; in here we are called UID:GID. The exec that follows drops the new capabilities."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER)")
    # The kernel takes a group map from an unprivileged writer only after setgroups is given up (user_namespaces(7)).
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outer_uid} 1"), ("gid_map", f"{gid} {outer_gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def die_with(parent: int, death_signal: int) -> None:
    """Asks the kernel for `death_signal` when the parent ends, however it ends.

    It comes after `become`, because a change of credentials clears the request, and it survives the exec. The signal
    fires when the parent's *thread* ends: the supervisor starts every server from its main thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked, so nobody will tell us
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

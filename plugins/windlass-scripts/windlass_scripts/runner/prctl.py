"""The three process attributes Python has no call for; numbers from linux/prctl.h."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_prctl = ctypes.CDLL(None, use_errno=True).prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def adopt_orphans() -> None:
    """Whatever our descendants leave behind becomes our own child: setsid and double forks no longer escape."""
    _set(_PR_SET_CHILD_SUBREAPER, 1)


def refuse_new_privileges() -> None:
    """No set-uid program below us gains rights, so that there is none we could not kill."""
    _set(_PR_SET_NO_NEW_PRIVS, 1)


def die_with_parent(number: int) -> None:
    """Receive signal `number` when the thread that started us ends, however it ends."""
    _set(_PR_SET_PDEATHSIG, number)


def _set(option: int, value: int) -> None:
    if _prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")

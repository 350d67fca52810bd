"""The two process attributes Python has no call for; numbers from linux/prctl.h."""

import ctypes
import os

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

_prctl = ctypes.CDLL(None, use_errno=True).prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def adopt_orphans() -> None:
    """What descendants leave behind becomes our own child: neither setsid nor a double fork escapes."""
    _set(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int) -> None:
    """Receive signal `number` when the thread that started us ends, however it ends."""
    _set(_PR_SET_PDEATHSIG, number)


def _set(option: int, value: int) -> None:
    if _prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")

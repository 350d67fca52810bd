"""File rules by Landlock, Linux' sandbox for ordinary processes; numbers from linux/landlock.h and linux/prctl.h.

The rules only ever allow, so "everything but" is written as a list of what is beside the denied.  What is created
beside a denied path after the start is therefore not readable either.
"""

from __future__ import annotations

import ctypes
import os
import struct

LEAST_ABI = 3
"""Linux 6.2.  Before it nothing could forbid emptying a file outside with truncate(2), which is a write."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH = 1
_O_PATH = os.O_PATH | os.O_CLOEXEC

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_CHAR, _MAKE_BLOCK, _TRUNCATE, _IOCTL_DEV = 1 << 6, 1 << 11, 1 << 14, 1 << 15
_EVERYTHING = (1 << 16) - 1
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_SCOPES = 0b11
"""No signal and no abstract Unix socket to a process outside (ABI 6, Linux 6.12)."""

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")
"""All of /dev that a script gets: a disk read raw would show every denied file."""

_PR_CAPBSET_DROP = 24
_WAYS_AROUND = (16, 17, 19, 21, 22, 24, 25, 27, 32, 33, 34, 38, 39, 40)
"""Capabilities by which root gets around the rules and limits: SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT,
SYS_RESOURCE, SYS_TIME, MKNOD, MAC_OVERRIDE, MAC_ADMIN, SYSLOG, PERFMON, BPF, CHECKPOINT_RESTORE."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def landlock_abi() -> int:
    """The version of Landlock that this system has; 0 without it, or where it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))))


def restrict(readable: list[str], writable: list[str], denied: list[str]) -> None:
    """Hold the calling process to these paths for ever, and all it starts.  It must have no new privileges already.

    Reads everything outside of `denied`, and `readable` in there; writes below `writable`.  Raises OSError.
    """
    abi = landlock_abi()
    handled = _EVERYTHING if abi >= 5 else _EVERYTHING & ~_IOCTL_DEV
    attributes = struct.pack("QQQ", handled, 0, _SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = _call(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    for path, access in _allowed(readable, writable, [*denied, "/dev"]):
        _allow(rules, path, access & handled)
    _call(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint(0))
    os.close(rules)


def drop_ways_around() -> None:
    """Root loses, at its next exec, the capabilities that would lift the rules.  Others have none."""
    for capability in _WAYS_AROUND if os.geteuid() == 0 else ():
        # EINVAL: a system too old to know this capability.
        _libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), *[ctypes.c_ulong(0)] * 3)


def beside(denied: list[str]) -> tuple[list[str], list[str]]:
    """(what may be read whole, directories that may only be listed), so that nothing in `denied` can be read."""
    whole: list[str] = []
    listed: list[str] = []
    todo = ["/"]
    while todo:
        path = todo.pop()
        if path in denied:
            continue
        if not any(other.startswith(path.rstrip("/") + "/") for other in denied):
            whole.append(path)
            continue
        listed.append(path)
        todo += _entries(path)
    return whole, listed


def _entries(path: str) -> list[str]:
    """Symbolic links are left out: a rule would hold for what they point to, which has its own path."""
    try:
        with os.scandir(path) as found:
            return [entry.path for entry in found if not entry.is_symlink()]
    except OSError:
        return []


def _allowed(readable: list[str], writable: list[str], denied: list[str]) -> list[tuple[str, int]]:
    whole, listed = beside(denied)
    return [
        *((path, _READ) for path in whole + readable),
        *((path, _READ_DIR) for path in listed),
        *((f"/dev/{name}", _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV | _READ_DIR) for name in _DEVICES),
        *((path, _EVERYTHING & ~(_MAKE_CHAR | _MAKE_BLOCK)) for path in writable),
    ]


def _allow(rules: int, path: str, access: int) -> None:
    try:
        fd = os.open(path, _O_PATH)
    except OSError:  # gone since it was listed, or not to be reached by us: then it needs no rule
        return
    try:
        if not os.path.isdir(path):
            access &= _OF_FILES
        _call(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH), struct.pack("=Qi", access, fd), 0)
    finally:
        os.close(fd)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

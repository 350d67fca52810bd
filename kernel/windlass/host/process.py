"""Which process this is, so that another node of the same machine can tell for sure that it is gone."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

from windlass.store.facts import NodeFacts


def this_process(kinds: tuple[str, ...]) -> NodeFacts:
    """The facts of the calling process.

    A pid says nothing without its boot and its pid namespace (two containers on one host share the boot, and both
    have a pid 7), nor without the start time (pids come round again).
    """
    pid = os.getpid()
    name = f"{socket.gethostname()}/{pid}"
    begun = started(pid) or 0
    return NodeFacts(name=name, machine=_machine(), pid=pid, pid_started=begun, kinds=kinds, version=our_version())


@cache
def our_version() -> str:
    """Of the kernel that this process runs."""
    return version("windlass-kernel")


def is_gone(node: NodeFacts) -> bool:
    """Whether the process of a node on this machine has surely ended.  False when in doubt."""
    return bool(node.pid_started) and started(node.pid) != node.pid_started


def started(pid: int) -> int | None:
    """Start of a process in clock ticks since boot; None when there is no such process, or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError:
        return 0
    # The command's name stands in brackets and may itself hold brackets and spaces.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def tell_supervisor(state: str) -> None:
    """Tell systemd, when it started us as a service of `Type=notify`: READY=1, STOPPING=1.  Never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A name that begins with @ is in Linux's abstract space.
    name = "\0" + address[1:] if address.startswith("@") else address
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as supervisor:
        supervisor.connect(name)
        supervisor.send(state.encode())


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} unknown boot"

"""What this machine is, and how it is: read from the system, nothing changed.  All of it may block."""

from __future__ import annotations

import os
import platform
import socket
import time
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Any

import psutil

GROUP = "windlass.plugins"
FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}


def system() -> dict[str, Any]:
    """Name, operating system, kernel, processors, uptime (seconds)."""
    booted = psutil.boot_time()
    return {
        "name": socket.gethostname(),
        "os": _os_name(),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpus": {"logical": psutil.cpu_count() or 1, "physical": psutil.cpu_count(logical=False)},
        "load": [round(value, 2) for value in os.getloadavg()],
        "booted_at": int(booted),
        "uptime": int(time.time() - booted),
    }


def memory() -> dict[str, int]:
    """Bytes."""
    main, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "total": main.total,
        "available": main.available,
        "swap_total": swap.total,
        "swap_used": swap.used,
    }


def addresses() -> list[dict[str, str]]:
    """By interface; loopback is left out."""
    found = []
    for interface, entries in sorted(psutil.net_if_addrs().items()):
        for entry in entries:
            family = FAMILIES.get(entry.family)
            address = entry.address.partition("%")[0]
            if family and address not in ("127.0.0.1", "::1"):
                found.append({"interface": interface, "family": family, "address": address})
    return found


def disks() -> list[dict[str, Any]]:
    """Bytes; each device once, where it is mounted first.  Network file systems are left out: one may hang."""
    found, seen = [], set()
    for part in psutil.disk_partitions(all=False):
        if part.device in seen:
            continue
        seen.add(part.device)
        try:
            usage = psutil.disk_usage(part.mountpoint)
        except OSError:
            continue
        facts = {"mount": part.mountpoint, "device": part.device, "type": part.fstype}
        sizes = {"total": usage.total, "used": usage.used, "free": usage.free, "percent": usage.percent}
        found.append(facts | sizes)
    return found


def versions() -> dict[str, Any]:
    """Of Python, Windlass, and the plugins that are installed, by the names of their entry points."""
    plugins = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        plugins[point.name] = point.dist.version if point.dist is not None else ""
    return {"python": platform.python_version(), "windlass": _ours(), "plugins": plugins}


def _ours() -> str:
    try:
        return version("windlass-kernel")
    except PackageNotFoundError:
        return ""


def _os_name() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return release.get("PRETTY_NAME") or release.get("NAME") or platform.system()

"""Room on a file system."""

from __future__ import annotations

import psutil

from windlass_checks import aside, faults
from windlass_checks.look import Finding, Look
from windlass_checks.probes import Disk

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


async def look_at(look: Look, probe: Disk) -> Finding:
    look.doing = f"asking the file system of {probe.path}"
    try:
        usage = await aside.call(f"the file system of {probe.path}", lambda: psutil.disk_usage(probe.path))
    except aside.StillHangs as error:
        return look.down(str(error))
    except OSError as error:
        return look.down(f"{probe.path}: {faults.in_words(error)}")
    # Of what others than root may use, as df has it.
    percent = 100.0 - usage.percent
    room = f"{percent:.0f}% free: {in_units(usage.free)} of {in_units(usage.total)}"
    if percent < probe.least_free_percent:
        return look.down(f"{room}; expected at least {probe.least_free_percent:g}%")
    if usage.free < probe.least_free_bytes:
        return look.down(f"{room}; expected at least {in_units(probe.least_free_bytes)}")
    return look.up(room)


def in_units(size: float) -> str:
    """ "34.5 GiB"."""
    power = 0
    while size >= 1024 and power < len(UNITS) - 1:
        size, power = size / 1024, power + 1
    return f"{size:.0f} B" if power == 0 else f"{size:.1f} {UNITS[power]}"

"""Processes of this node."""

from __future__ import annotations

import os

import psutil

from windlass_checks import aside, faults
from windlass_checks.look import Finding, Look
from windlass_checks.probes import Process

LONGEST_PID = 32


async def look_at(look: Look, probe: Process) -> Finding:
    look.doing = "looking through the processes"
    if probe.name:
        count = await aside.call(f"the processes named {probe.name}", lambda: _named(probe.name))
        return _judge(look, probe, count, f"named {probe.name}")
    try:
        pid = await aside.call(f"the file {probe.pid_file}", lambda: _number_in(probe.pid_file))
    except (OSError, ValueError) as error:
        return look.down(f"{probe.pid_file}: {faults.in_words(error)}")
    alive = await aside.call(f"process {pid}", lambda: _lives(pid))
    return _judge(look, probe, int(alive), f"{pid} of {probe.pid_file}")


def _judge(look: Look, probe: Process, count: int, which: str) -> Finding:
    said = f"{count} process{'es' * (count != 1)} {which}"
    if count < probe.least:
        return look.down(f"{said}; expected at least {probe.least}")
    if probe.most is not None and count > probe.most:
        return look.down(f"{said}; expected at most {probe.most}")
    return look.up(said)


def _named(name: str) -> int:
    found = psutil.process_iter(["name", "status"])
    return sum(one.info["name"] == name and one.info["status"] != psutil.STATUS_ZOMBIE for one in found)


def _number_in(path: str) -> int:
    # A pipe of that name would hold us for ever.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        text = file.read(LONGEST_PID).decode(errors="replace").strip()
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not the number of a process")
    return int(text)


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except (psutil.Error, OverflowError):
        return False

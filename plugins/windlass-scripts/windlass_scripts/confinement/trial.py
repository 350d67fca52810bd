"""Tries a plan on the shortest of scripts: the only proof that this system really does what it seems to offer."""

from __future__ import annotations

import os
import select
import time
import uuid
from collections.abc import Callable

from windlass_scripts.launch import launch
from windlass_scripts.runner.job import Job
from windlass_scripts.runner.place import HOME
from windlass_scripts.runner.plan import Plan

_LONGEST = 10.0
"""Seconds; it takes 0.1."""


def attempt(parent: str, plan_for: Callable[[str], Plan]) -> str:
    """Why a script can't be run by the plan for its private directory in `parent`; empty when it can.  Blocks."""
    root = os.path.join(parent, f"windlass-script-{uuid.uuid4().hex}")
    job = Job(
        argv=[b"/bin/sh", b"-c", b":"],
        environment={b"PATH": b"/usr/bin:/bin"},
        cwd=os.path.join(os.fsencode(root), HOME),
        root=os.fsencode(root),
        script=b"",
        grace_ms=100,
        linger_ms=100,
        confinement=plan_for(root).encode(),
    )
    try:
        launched = launch("confinement/probe", job, b"")
    except OSError as error:
        return f"no process can be started: {error.strerror}"
    try:
        return _verdict(_messages(launched.control))
    finally:
        launched.popen.kill()
        launched.popen.wait()
        for fd in (launched.control, launched.stdout, launched.stderr, launched.status):
            os.close(fd)


def _messages(control: int) -> list[bytes]:
    """All that the runner says, up to its end or the longest we wait."""
    said: list[bytes] = []
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        if select.select([control], [], [], deadline - time.monotonic())[0]:
            message = os.read(control, 4096)
            if not message:
                return said
            said.append(message)
    return [b"failed probe 0 no answer within 10 s"]


def _verdict(said: list[bytes]) -> str:
    for message in said:
        if message.startswith(b"failed "):
            _, step, number, reason = message.decode(errors="replace").split(" ", 3)
            return f"{step}: {reason or os.strerror(int(number))}"
        if message.startswith(b"ended ") and b" code=0 " not in message:
            return "a script that does nothing fails: " + message.decode(errors="replace")
    return "" if any(message.startswith(b"ended ") for message in said) else "the runner died"

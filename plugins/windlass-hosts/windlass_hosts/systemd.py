"""Talks to systemctl."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from contextlib import suppress

import msgspec
from windlass import Rejected

LONGEST_SAID = 2_000
ANSWER_SECONDS = 10.0


class Said(msgspec.Struct, frozen=True):
    """What a call of systemctl ended with; `text` is what it wrote, both streams, the end of it."""

    code: int
    text: str

    @property
    def last_line(self) -> str:
        lines = self.text.strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class UnitState(msgspec.Struct, frozen=True):
    """As `systemctl show` says it: `active` is active, activating, failed, …; `sub` running, exited, …"""

    active: str
    sub: str
    result: str

    def __str__(self) -> str:
        return f"{self.active} ({self.sub})" if self.sub else self.active


def find(name: str) -> str:
    """The program's path.  Raises `Rejected`, naming the setting."""
    program = shutil.which(name)
    if program is None:
        raise Rejected(
            f"this host has no {name}: RestartUnit needs systemd; name the program in plugins.hosts.systemctl,"
            " or enqueue it into the pool of a host that has one"
        )
    return program


async def call(program: str, *arguments: str) -> Said:
    """Run it; when this call is cancelled, the program is ended.  systemd goes on with what it was told."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "SYSTEMD_PAGER": "", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        text, _ = await process.communicate()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    return Said(process.returncode, text[-LONGEST_SAID:].decode("utf-8", "replace"))


async def state_of(program: str, unit: str) -> UnitState:
    """What systemd says of the unit now; `active` is empty when it says nothing."""
    properties = ("ActiveState", "SubState", "Result")
    asked = [f"--property={name}" for name in properties]
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            said = await call(program, "show", *asked, "--", unit)
    except TimeoutError:
        return UnitState("", "", f"systemctl show did not answer within {ANSWER_SECONDS:g} s")
    values = dict(line.partition("=")[::2] for line in said.text.splitlines())
    return UnitState(*(values.get(name, "") for name in properties))

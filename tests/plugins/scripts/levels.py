"""Runs scripts at a level of confinement, with a neighbour beside them that must not notice."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable

import msgspec
from windlass import Outcome, Success
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings
from windlass_scripts.confinement.host import Host

from tests.plugins.scripts.recording import RecordingContext
from tests.plugins.scripts.survivors import gone, marked

NEIGHBOUR = "for i in 1 2 3 4 5; do echo $i > file; sleep 0.05; done; cat file"
NEIGHBOURS_TIME = 4.0
"""Seconds in which the neighbour, who needs 0.3, must be done although the machine is shared."""


class Place:
    """A host and its handler; `groups` lists what is left of cgroups."""

    def __init__(self, settings: ScriptsSettings, mark: str, host: Host) -> None:
        self.settings = settings
        self.host = host
        self._mark = mark
        self._id = uuid.uuid4().int
        self.ctx = RecordingContext(task_id=self._id)

    @property
    def handler(self) -> ExecuteScript:
        return ExecuteScript(self.settings, self.host)

    def changed(self, **changes) -> "Place":
        """The same place under other settings, with a host of its own."""
        self.settings = msgspec.structs.replace(self.settings, **changes)
        self.host = Host(self.settings)
        return self

    def asked(self, script: str, level: str, **fields) -> ExecuteScriptPayload:
        env = {"MARK": self._mark} | fields.pop("env", {})
        return msgspec.convert({"script": script, "confinement": level, "env": env} | fields, ExecuteScriptPayload)

    async def run(self, script: str, level: str, **fields) -> Outcome:
        return await self.handler.run(self.ctx, self.asked(script, level, **fields))

    async def attack(self, script: str, level: str, stop: Callable[[], bool] | None = None, **fields) -> Outcome:
        """Run it beside a neighbour, interrupt it once `stop` is true, and hold it to leaving nothing."""
        running = asyncio.create_task(self.run(script, level, **fields))
        beside = asyncio.create_task(self._neighbour())
        if stop is not None:
            await self.ctx.until(lambda: running.done() or stop())
            self.ctx.cancelled.set()
        outcome = await running
        assert self.marked() == []
        assert self.groups() == []
        assert await beside < NEIGHBOURS_TIME
        return outcome

    def said(self, word: bytes) -> Callable[[], bool]:
        return lambda: word in self.ctx.text()

    def marked(self) -> list[int]:
        """Processes of the script, its runners and its sandbox."""
        return [pid for pid in marked(self._mark, f"tasks/{self._id}/") if pid != os.getpid()]

    def gone(self) -> bool:
        return gone(self._mark, f"tasks/{self._id}/", within=5)

    def groups(self) -> list[str]:
        return [entry.path for room in self.host.rooms for entry in os.scandir(room.path) if entry.is_dir()]

    async def _neighbour(self) -> float:
        began = time.monotonic()
        ctx = RecordingContext(task_id=self._id + 1)
        outcome = await self.handler.run(ctx, ExecuteScriptPayload(script=NEIGHBOUR))
        assert isinstance(outcome, Success)
        assert ctx.text() == b"5\n"
        return time.monotonic() - began

"""A real node with the entities plugin, and folders of feeds that tests change."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from windlass import Context, Handler, Outcome, Settings, Success, hookimpl
from windlass.host.executors.processes import Processes
from windlass.store.port import Store
from windlass_entities import integrity
from windlass_entities.accepted import Standing, read_standing
from windlass_proto.v1 import history_service_pb2 as history
from windlass_proto.v1 import operations_service_pb2 as operations
from windlass_proto.v1 import overview_service_pb2 as overview
from windlass_proto.v1 import task_pb2
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, Calling, State, calling
from tests.waiting import eventually

OVER = (State.STATE_COMPLETED, State.STATE_FAILED, State.STATE_CANCELED)
LONG = 60.0


class Place:
    """`feeds` and `root` below one folder; `wave` copies feeds of the sample into it."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.data = data
        self.feeds = folder / "feeds"
        self.root = folder / "root"
        self.catalogue = folder / "catalogue.json"
        self.feeds.mkdir()
        self.root.mkdir()
        shutil.copy(data / "feeds" / "catalog.json", self.catalogue)

    def wave(self, number: int, *feeds: str) -> None:
        """Puts files of a wave in place by renames, as a careful writer does; all of them means no others."""
        files = {file.stem: file for file in (self.data / "feeds" / f"wave{number}").glob("*.netset")}
        for feed in sorted(feeds or files):
            self.write(feed, files[feed].read_bytes())
        if not feeds:
            for file in self.feeds.glob("*.netset"):
                if file.stem not in files:
                    file.unlink()

    def write(self, feed: str, data: bytes) -> None:
        temporary = self.feeds / f".{feed}.new"
        temporary.write_bytes(data)
        temporary.rename(self.feeds / f"{feed}.netset")

    def size(self, feed: str) -> int:
        return (self.feeds / f"{feed}.netset").stat().st_size

    def age(self, feed: str, days: float) -> None:
        """Its file is so old."""
        then = time.time() - days * 86_400
        os.utime(self.feeds / f"{feed}.netset", (then, then))

    def without(self, feed: str) -> None:
        """It is not in the catalogue."""
        catalogue = json.loads(self.catalogue.read_text())
        del catalogue[feed]
        self.catalogue.write_text(json.dumps(catalogue))

    def settings(self, **more: Any) -> dict[str, Any]:
        geo = self.data / "geo"
        paths = {"feeds": self.feeds, "root": self.root, "catalogue": self.catalogue}
        paths |= {"countries": geo / "country-ipv4.csv.gz", "asns": geo / "asn-ipv4.csv.gz"}
        return {name: str(path) for name, path in paths.items()} | {"watch": False, "calm": 0.05, "grace": 0.2} | more

    @property
    def standing(self) -> Standing:
        return read_standing(self.root)


class Hold(Handler[dict[str, int]]):
    """Is in the lane of publications until the gate opens."""

    kind = "Hold"

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def run(self, ctx: Context, payload: dict[str, int]) -> Outcome:
        async with ctx.lane("entities"):
            await ctx.stage("holding")
            await self.gate.wait()
        return Success()


class Holding:
    """A plugin with that kind."""

    def __init__(self) -> None:
        self.hold = Hold()

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [self.hold]


class Entities:
    """A server with the plugin."""

    def __init__(self, server: Calling, place: Place, hold: Hold, began: float) -> None:
        self._began = began
        self.server = server
        self.place = place
        self._hold = hold

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Nobody publishes meanwhile."""
        self._hold.gate.clear()
        name = await self.server.enqueue("Hold", {})
        try:
            await self.at_stage(name, "holding")
            yield
        finally:
            self._hold.gate.set()
        await self.ended(name)

    async def slots(self, count: int) -> None:
        """Of the pool of maintenance."""
        await self.server.kernel.valves.resize("maintenance", count)

    async def at_stage(self, name: str, stage: str) -> None:
        async def look() -> bool:
            found = await self.server.get(name)
            assert found.state not in OVER, found
            return bool(found.stage == stage)

        await eventually(look, LONG)

    async def call(self, operation: str, **argument: Any) -> Any:
        payload = task_pb2.Payload(data=json.dumps(argument).encode())
        asked = operations.CallOperationRequest(name=f"operations/entities.{operation}", argument=payload)
        return json.loads((await self.server.operations.Call(asked, timeout=DEADLINE)).result.data)

    async def tasks(self, kind: str) -> list[Any]:
        """Those that have started, on this server, the newest first."""
        request = history.ListCardsRequest(filter=f'kind = "{kind}"', page_size=100)
        found = [card.task for card in (await self.server.history.List(request, timeout=DEADLINE)).cards]
        return [task for task in found if task.create_time.ToMicroseconds() >= self._began * 1e6]

    async def ended(self, name: str) -> Any:
        async def look() -> Any:
            found = await self.server.get(name)
            return found if found.state in OVER else None

        return await eventually(look, LONG)

    async def succeeded(self, name: str) -> Any:
        """Its result."""
        task = await self.ended(name)
        assert task.state == State.STATE_COMPLETED, task
        return json.loads(task.result.data)

    async def done(self, kind: str, trigger: str = "") -> Any:
        """A task of that kind that was made for that reason (or any), once it has succeeded."""

        async def look() -> Any:
            found = [task for task in await self.tasks(kind) if trigger in ("", task.trigger) and task.state in OVER]
            return found[0] if found else None

        task = await eventually(look, LONG)
        assert task.state == State.STATE_COMPLETED, task
        return await self.server.get(task.name)

    async def under_way(self, kind: str) -> str:
        """A task of that kind that waits for the lane."""

        async def look() -> str:
            listed = await self.server.tasks.List(tasks.ListTasksRequest(page_size=100), timeout=DEADLINE)
            waiting = [task.name for task in listed.tasks if task.kind == kind and task.stage.startswith("waiting")]
            return waiting[0] if waiting else ""

        return await eventually(look, LONG)

    @property
    def _workers(self) -> Processes:
        found = self.server.kernel._plugins.executors["process"]
        assert isinstance(found, Processes)
        return found

    async def end_workers(self) -> None:
        """Those that wait for a task: the next one is started with the environment of now."""
        for pid in self._workers.warm:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not self._workers.warm)

    def kill_worker(self) -> None:
        """The one that has a task."""
        [worker] = self._workers._running.values()
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)

    async def attempt(self, name: str, number: int) -> bool:
        return (await self.server.get(name)).attempt >= number

    async def is_right(self) -> None:
        """The tree is whole, and a clean rebuild finds nothing to change."""
        assert integrity.look(self.place.root) == []
        made = await self.call("rebuild")
        assert not (await self.succeeded(f"tasks/{made['task']}"))["published"]

    async def interrupt(self, name: str) -> None:
        await self.server.tasks.Interrupt(tasks.InterruptRequest(name=name, reason="a test"), timeout=DEADLINE)

    async def reload(self) -> None:
        """As SIGHUP would, with the same configuration."""
        kernel = self.server.kernel
        own = {"entities": self.place.settings()}
        await kernel._plugins.config_reloaded(kernel._doors("config_reload"), kernel._plugins.read_settings(own))

    async def made(self, kind: str, trigger: str) -> Any:
        """A task of that kind that was made for that reason, wherever it is."""

        async def look() -> Any:
            found = [task for task in await self.tasks(kind) if task.trigger == trigger]
            return found[0] if found else None

        return await eventually(look, LONG)

    async def said(self, name: str, words: str) -> str:
        """The first line of its timeline that holds these words."""

        async def look() -> str:
            return next((step.text for step in await self.steps(name) if words in step.text), "")

        return await eventually(look, LONG)

    async def idle(self) -> None:
        """Until nothing runs or waits but residents."""

        async def look() -> bool:
            listed = await self.server.tasks.List(tasks.ListTasksRequest(page_size=100), timeout=DEADLINE)
            return all(task.kind == "WatchFeeds" for task in listed.tasks)

        await eventually(look, LONG)

    async def stages(self, name: str) -> list[str]:
        return [event.stage for event in await self.server.watched(name) if event.WhichOneof("body") == "stage"]

    async def steps(self, name: str) -> list[Any]:
        request = history.ListStepsRequest(parent=name.replace("tasks/", "cards/"), page_size=500)
        return list((await self.server.history.ListSteps(request, timeout=DEADLINE)).steps)

    async def section(self) -> Any:
        picture = await self.server.overview.GetOverview(overview.GetOverviewRequest(), timeout=DEADLINE)
        [section] = [section for section in picture.sections if section.name == "entities"]
        return section


@asynccontextmanager
async def maintained(dsn: str, store: Store, place: Place, **settings: Any) -> AsyncIterator[Entities]:
    began = time.time()
    node, holding = settings.pop("node", {}), Holding()
    own = {"entities": place.settings(**settings)}
    async with calling(dsn, store, settings=own, plugins={"holding": holding}, **node) as server:
        yield Entities(server, place, holding.hold, began)

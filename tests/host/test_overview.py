"""The overview of a real node: sections of its plugins, and what is stuck on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from windlass import Context, HealthLine, HealthSection, Outcome, Resident, Settings, Success, hookimpl
from windlass.core.signals import Thresholds
from windlass.host.picture import Picture

from tests.host.rig import Rig
from tests.waiting import eventually


class Buffer:
    """A plugin that says how it is, and keeps one task alive."""

    @hookimpl
    async def windlass_health(self) -> HealthSection:
        return HealthSection("Buffer", "3 queued", [HealthLine("queued", "3")], {"queued": 3})

    @hookimpl
    def windlass_register_residents(self, settings: Settings) -> Iterable[Resident]:
        return [Resident("Play", payload={"play": "listen"})]


class Hopeless:
    @hookimpl
    async def windlass_health(self) -> HealthSection:
        raise LookupError("no connection")


async def test_plugins_say_how_they_are_in_the_picture(rig: Rig) -> None:
    kernel = await rig.start(plugins={"hopeless": Hopeless(), "silent": object(), "buffer": Buffer()})
    shown = {section.name: section for section in (await kernel.overview.picture()).sections}
    assert set(shown) == {"hopeless", "buffer"}
    assert (shown["buffer"].title, shown["buffer"].summary, shown["buffer"].data) == (
        "Buffer",
        "3 queued",
        b'{"queued":3}',
    )
    assert shown["hopeless"].lines == (
        HealthLine("section", "windlass_health raised LookupError: no connection", is_alarming=True),
    )


async def test_a_resident_is_not_stuck_because_it_runs_and_says_nothing(rig: Rig) -> None:
    waits = asyncio.Event()

    async def listen(ctx: Context) -> Outcome:
        await waits.wait()
        return Success()

    rig.theatre.plays["listen"] = listen
    kernel = await rig.start(plugins={"buffer": Buffer()})
    kernel.overview.thresholds = Thresholds(silent=0.2)
    task = await rig.enqueue(listen)
    await rig.began(task)

    async def stuck() -> Picture | None:
        picture = await kernel.overview.picture()
        return picture if picture.active_count == 2 and picture.signals else None

    picture = await eventually(stuck)
    assert picture is not None
    [signal] = picture.signals
    assert (signal.name, signal.subjects) == ("stuck-running", (f"tasks/{task}",))
    waits.set()

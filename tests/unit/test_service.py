"""Start and stop, for every service."""

from __future__ import annotations

import asyncio

import pytest
from windlass.host import service
from windlass.host.service import Service


class Swallows(Service):
    """Loses so many cancellations, as the driver may."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.runs = asyncio.Event()

    async def run(self) -> None:
        while True:
            self.runs.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.times -= 1
                if self.times < 0:
                    raise


async def test_a_service_that_loses_a_cancellation_is_asked_again_until_it_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(service, "ASK_AGAIN", 0.01)
    stubborn = Swallows(2)
    stubborn.start()
    await stubborn.runs.wait()
    async with asyncio.timeout(5):
        await stubborn.stop()
        await stubborn.stop()
    assert stubborn.times == -1


async def test_a_service_that_never_started_stops_at_once() -> None:
    await Swallows(0).stop()

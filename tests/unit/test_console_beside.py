"""The console's process is kept going: soon after it ended, less often when it ends at once, and after all troubles."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from windlass.config import ConsoleConfig
from windlass.host.console import Console
from windlass.testing import virtual


class Process:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def wait(self) -> int:
        await asyncio.sleep(self._seconds)
        return 1


def test_it_is_started_again_whatever_ended_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @virtual
    async def play() -> None:
        now, pauses = asyncio.get_running_loop().time, list[float]()
        lives: list[Any] = [0.0, 0.0, OSError("no memory"), 0.0, 0.0, 3_600.0, 0.0]
        ended = 0.0

        async def start(*command: str, **options: Any) -> Process:
            nonlocal ended
            pauses.append(now() - ended)
            life = lives.pop(0) if lives else 1e9
            ended = now() + (0.0 if isinstance(life, OSError) else life)
            if isinstance(life, OSError):
                raise life
            return Process(life)

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
        with socket.socket() as listening:
            keeping = asyncio.create_task(Console(ConsoleConfig())._keep(listening, "127.0.0.1:1", "/token"))
            await asyncio.sleep(10_000)
            assert not keeping.done()
            keeping.cancel()
        assert pauses == pytest.approx([0, 1, 2, 5, 15, 15, 1, 2], abs=0.01)

    play()

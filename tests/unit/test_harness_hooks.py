"""The harness for plugin authors: hooks that make tasks, and what they make."""

from __future__ import annotations

import msgspec
import pytest
from windlass import Door, Section, Settings, hookimpl
from windlass.testing import BootError, Harness


class Word(msgspec.Struct, frozen=True):
    word: str = "hello"


class Reads:
    """Says its word again after each reload."""

    @hookimpl
    def windlass_register_settings(self) -> Section:
        return Section("reads", Word)

    @hookimpl
    async def windlass_startup(self, kernel: Door) -> None:
        await kernel.enqueue("Elsewhere", {"n": 1}, title="first")

    @hookimpl
    async def windlass_config_reloaded(self, kernel: Door, settings: Settings) -> None:
        await kernel.enqueue("Elsewhere", {"word": settings.of(Word).word}, coalesce_key="word", priority=9)


async def test_what_hooks_make_is_recorded_and_not_run() -> None:
    async with Harness(Reads()) as harness:
        await harness.reload({"reads": {"word": "ahoy"}})
        with pytest.raises(BootError, match="wrod"):
            await harness.reload({"reads": {"wrod": "ahoy"}})
        first, second = harness.made
    assert (first.kind, first.payload, first.trigger, first.title) == ("Elsewhere", {"n": 1}, "startup", "first")
    assert (second.payload, second.trigger, second.initiator) == ({"word": "ahoy"}, "config_reload", "Scheduler")
    assert (second.coalesce_key, second.priority) == ("word", 9)

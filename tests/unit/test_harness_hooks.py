"""The harness for plugin authors: hooks that make tasks, and what they make."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from windlass import (
    Context,
    Door,
    Handler,
    HealthSection,
    Operation,
    OperationCall,
    Outcome,
    Section,
    Settings,
    Success,
    hookimpl,
)
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


class Counting(Handler[str]):
    """Counts in a document how often it ran."""

    kind = "Counting"

    async def run(self, ctx: Context, payload: str) -> Outcome:
        before = await ctx.documents.get("count")
        return Success(await ctx.documents.put("count", 1 if before is None else before.value + 1))


class Counts:
    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Counting()]

    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> Iterable[Operation]:
        return [Operation("count", "Count", "How often it ran.", self.count, result=int, writes=False)]

    async def count(self, call: OperationCall, argument: Any) -> int:
        found = await call.documents.get("count")
        return 0 if found is None else found.value

    @hookimpl
    async def windlass_health(self, kernel: Door) -> HealthSection:
        found = await kernel.documents.list()
        return HealthSection("Counts", f"{len(found)} kept")


async def test_documents_are_kept_from_task_to_task_and_shown_to_the_test() -> None:
    async with Harness(Counts()) as harness:
        assert await harness.call("count") == 0
        await harness.documents.put("count", 4)
        (await harness.run("Counting", "")).assert_succeeded(2)
        (await harness.run("Counting", "")).assert_succeeded(3)
        assert await harness.call("count") == 6
        section = await harness.health()
        found = await harness.documents.get("count")
    assert section == HealthSection("Counts", "1 kept")
    assert found is not None
    assert (found.version, found.value) == (3, 6)
    async with Harness(Reads()) as harness:
        assert (await harness.health(), await harness.documents.list()) == (None, [])

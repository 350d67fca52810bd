"""The recorder alone: how often it writes, and that nobody waits for it in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from windlass.host import recorder as module
from windlass.host import service
from windlass.host.context import LiveContext
from windlass.host.recorder import FLUSH_EVERY, Recorder
from windlass.store.facts import Said

from tests.host.test_dispatcher import claimed
from tests.waiting import eventually


class Notebook:
    """A queue that keeps what is said; it stumbles while `stumbles` is above 0."""

    def __init__(self) -> None:
        self.written: list[Said] = []
        self.calls = 0
        self.stumbles = 0

    async def say(self, node: int, said: list[Said]) -> set[int]:
        self.calls += 1
        if self.stumbles:
            self.stumbles -= 1
            raise RuntimeError("nobody foresaw this")
        self.written += said
        return {one.task for one in said}

    def lines(self) -> list[str]:
        return [line.text for said in self.written for line in said.lines]


@pytest.fixture
async def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
async def recorder(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Recorder]:
    monkeypatch.setattr(service, "PAUSE_AFTER_FAILURE", 0.01)
    made = Recorder(notebook, lambda _: None)  # type: ignore[arg-type]
    made.start()
    yield made
    await made.stop()


def _context(recorder: Recorder, task: int = 1, **facts: Any) -> LiveContext:
    return LiveContext(claimed(task), 1, recorder.now(), recorder, None, output_cap=1024 * 1024, **facts)  # type: ignore[arg-type]


async def test_the_first_word_goes_out_at_once(recorder: Recorder, notebook: Notebook) -> None:
    await _context(recorder).step("hello")
    await eventually(lambda: notebook.lines() == ["hello"], within=FLUSH_EVERY)


async def test_a_chatty_task_is_gathered(recorder: Recorder, notebook: Notebook) -> None:
    ctx, n, began = _context(recorder), 0, time.monotonic()
    while (seconds := time.monotonic() - began) < 4 * FLUSH_EVERY:
        if seconds > n / 1_000:
            await ctx.step(f"{n}")
            await ctx.progress(n)
            n += 1
        await asyncio.sleep(0)
    await recorder.flushed(ctx)
    seconds = time.monotonic() - began
    assert notebook.lines() == [f"{line}" for line in range(n)]
    assert notebook.calls <= seconds / FLUSH_EVERY + 3


async def test_somebody_who_waits_is_not_made_to_wait_for_more(recorder: Recorder, notebook: Notebook) -> None:
    ctx, began = _context(recorder), time.monotonic()
    for n in range(20):
        await ctx.step(f"{n}")
        await recorder.flushed(ctx)
    assert len(notebook.lines()) == 20
    assert time.monotonic() - began < 10 * FLUSH_EVERY


async def test_a_mistake_nobody_foresaw_leaves_nobody_waiting(
    recorder: Recorder, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    contexts = [_context(recorder, task) for task in range(1, 8)]
    notebook.stumbles = 1
    for ctx in contexts:
        await ctx.step(f"I am {ctx.claimed.id}")
    await asyncio.wait_for(asyncio.gather(*(recorder.flushed(ctx) for ctx in contexts)), 3)
    assert len(notebook.lines()) >= 5, "only what was on its way may be lost"


async def test_single_bytes_are_joined_before_they_become_rows(recorder: Recorder, notebook: Notebook) -> None:
    ctx = _context(recorder)
    data = bytes(n % 256 for n in range(5_000))
    for n in range(len(data)):
        await ctx.output(data[n : n + 1])
    await recorder.flushed(ctx)
    chunks = [chunk for said in notebook.written for chunk in said.chunks]
    assert b"".join(chunk.data for chunk in chunks) == data
    assert len(chunks) < 50


async def test_joining_never_moves_output_across_a_line_or_a_stream(recorder: Recorder, notebook: Notebook) -> None:
    ctx = _context(recorder)
    await ctx.output(b"a")
    await ctx.output(b"b")
    await ctx.output(b"e", "stderr")
    await ctx.output(b"c")
    await ctx.step("between")
    await ctx.output(b"d")
    await recorder.flushed(ctx)
    said = [(chunk.sequence, chunk.data) for one in notebook.written for chunk in one.chunks]
    said += [(line.sequence, b"between") for one in notebook.written for line in one.lines]
    assert [data for _, data in sorted(said)] == [b"ab", b"e", b"c", b"between", b"d"]

"""However an attempt breaks off, it ends once and its slot comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from windlass import Context, Handler, Outcome, Success
from windlass.core.lifecycle import Verdict
from windlass.host.execution import Execution
from windlass.host.plugins import Kind
from windlass.host.recorder import Recorder
from windlass.store.facts import Ended, Said

from tests.host.test_dispatcher import claimed
from tests.waiting import eventually


class Accepting:
    """A queue that believes everything."""

    async def say(self, node: int, said: list[Said]) -> set[int]:
        return {one.task for one in said}


class Plain(Handler[Any]):
    kind = "Noop"

    async def run(self, ctx: Context, payload: Any) -> Outcome:
        return Success()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Raising(Plain):
    async def run(self, ctx: Context, payload: Any) -> Outcome:
        raise Unspeakable


Ends = list[Ended | None]
Make = Callable[..., tuple[Execution, Ends]]


@pytest.fixture
async def made() -> AsyncIterator[Make]:
    recorder = Recorder(Accepting(), lambda _: None)  # type: ignore[arg-type]
    deaf = Recorder(Accepting(), lambda _: None)  # type: ignore[arg-type]
    recorder.start()

    def make(
        handler: Handler[Any] | None = None,
        decode: Any = msgspec.json.decode,
        *,
        has_cleanup: bool = False,
        silent: bool = False,
    ) -> tuple[Execution, Ends]:
        ends: Ends = []
        kind = Kind(handler or Plain(), decode, has_cleanup)
        paper = deaf if silent else recorder
        execution = Execution(claimed(1), kind, 1, None, paper, None, lambda _, end: ends.append(end))  # type: ignore[arg-type]
        return execution, ends

    yield make
    await recorder.stop()


async def _over(ends: Ends) -> Ended | None:
    await eventually(lambda: bool(ends), within=3)
    await asyncio.sleep(0)
    [end] = ends
    return end


async def test_an_attempt_ends_by_itself(made: Make) -> None:
    execution, ends = made()
    execution.start()
    end = await _over(ends)
    assert end is not None
    assert end.verdict is Verdict.SUCCESS


async def test_an_attempt_fenced_before_its_first_step_ends_without_a_word(made: Make) -> None:
    execution, ends = made()
    execution.start()
    execution.fence()
    assert await _over(ends) is None


async def test_an_attempt_shut_down_before_its_first_step_is_handed_back(made: Make) -> None:
    execution, ends = made()
    execution.start()
    execution.shut_down()
    end = await _over(ends)
    assert end is not None
    assert end.verdict is Verdict.RETURNED


async def test_a_payload_that_breaks_its_own_decoder_fails_the_task(made: Make) -> None:
    def decode(_: bytes) -> Any:
        raise KeyError("decoder")

    execution, ends = made(decode=decode)
    execution.start()
    end = await _over(ends)
    assert end is not None
    assert (end.verdict, end.message) == (Verdict.FAILED, "the payload does not fit Noop: 'decoder'")


async def test_an_exception_without_words_is_tried_again(made: Make) -> None:
    execution, ends = made(Raising())
    execution.start()
    end = await _over(ends)
    assert end is not None
    assert (end.verdict, end.message) == (Verdict.RETRY, "Unspeakable")


class Rambling(Plain):
    """Its cleanup fails with more words than an outbox holds, so that even noting it has to wait."""

    async def cleanup(self, ctx: Context, payload: Any) -> None:
        await asyncio.gather(*(ctx.step("x" * 4_000) for _ in range(100)))
        raise ValueError("untidy")


async def test_an_attempt_shut_down_while_it_waits_for_its_last_words_still_ends(made: Make) -> None:
    execution, ends = made(Rambling(), has_cleanup=True, silent=True)
    execution.start()
    await eventually(lambda: execution.ctx.outbox.size > 256 * 1024)
    execution.shut_down()
    execution.shut_down()
    await asyncio.sleep(0)
    execution.shut_down()
    end = await _over(ends)
    assert end is not None
    assert end.verdict is Verdict.SUCCESS, "its handler was done"

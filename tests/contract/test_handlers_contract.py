"""The contract of handlers: one that keeps it passes, and each way to break it is caught with what to mend."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import msgspec
import pytest
from windlass import Context, Failed, Graces, Handler, Outcome, Rejected, Retry, Success
from windlass.testing import HandlerContract, check_handler_keeps_contract


class GreetPayload(msgspec.Struct):
    name: str


class Greet(Handler[GreetPayload]):
    kind = "Greet"
    graces = Graces(ask=1.0, raise_=1.0, cleanup=1.0)

    def title(self, payload: GreetPayload) -> str:
        return f"greet {payload.name}"

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        if not payload.name:
            raise Rejected("name is empty")
        await ctx.stage("greeting")
        await asyncio.sleep(3)
        await ctx.step(f"hello {payload.name}")
        return Success({"greeted": payload.name})

    async def cleanup(self, ctx: Context, payload: GreetPayload) -> None:
        await asyncio.sleep(0.1)


class TestGreetKeepsTheContract(HandlerContract):
    handler = Greet()
    payloads = ({"name": "Ada"}, GreetPayload("Grace"), b'{"name": "Edsger"}')
    misfits = ({"name": ""}, {"name": 7}, b"{")


class ClickyKind(Greet):
    kind = "greet people!"


class NoKind(Greet):
    kind = ""


class Stamp(msgspec.Struct):
    name: Any

    def __post_init__(self) -> None:
        self.name = [self.name]


class ChangesItsPayload(Handler[Stamp]):
    kind = "Stamp"

    async def run(self, ctx: Context, payload: Stamp) -> Outcome:
        return Success()


class TakesAnything(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        return Success()


class RetriesMisfits(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        return Success() if payload.name else Retry("no name yet")


class BadTitle(Greet):
    def title(self, payload: GreetPayload) -> str:
        return f"greet {payload.nmae}"  # type: ignore[attr-defined]


class NoTitle(Greet):
    def title(self, payload: GreetPayload) -> str:
        return None  # type: ignore[return-value]


class ReturnsNothing(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Any:
        await ctx.step("done")


class ResultIsNoJson(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        return Success(object())


class HugeResult(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        return Failed("too much", "x" * 2_000_000)


class SecondsForAfter(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        return Retry("later", after=5)  # type: ignore[arg-type]


class Raises(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        await ctx.step("now", when=datetime, name=object())
        return Success()


class Blocks(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        time.sleep(0.55)  # noqa: ASYNC251 - that is what is wrong with it
        return Success()


class LeavesTasks(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        self._background = asyncio.create_task(asyncio.sleep(60), name="background")
        return Success()


class IgnoresInterrupts(Greet):
    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        for _ in range(100):
            try:
                await asyncio.sleep(1)
            except BaseException:  # noqa: BLE001 - that is what is wrong with it
                continue
        return Success()


class UntidyAfterInterrupts(Greet):
    def __init__(self) -> None:
        self.places: dict[int, str] = {}

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        await asyncio.sleep(3)
        self.places[ctx.task.id] = "made"
        return Success()

    async def cleanup(self, ctx: Context, payload: GreetPayload) -> None:
        del self.places[ctx.task.id]


class SlowCleanup(Greet):
    async def cleanup(self, ctx: Context, payload: GreetPayload) -> None:
        await asyncio.sleep(5)


class RefusesItsOwnRemains(Greet):
    def __init__(self) -> None:
        self.locked: set[int] = set()

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        if ctx.task.id in self.locked:
            return Failed("somebody else is at it")
        self.locked.add(ctx.task.id)
        await asyncio.sleep(3)
        self.locked.remove(ctx.task.id)
        return Success()


class KeepsState(Greet):
    def __init__(self) -> None:
        self.names: list[str] = []

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        self.names.append(payload.name)
        return Success()


class CountsOnTheClass(Greet):
    runs = 0

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        type(self).runs += 1
        return Success()


BROKEN: list[tuple[Handler[Any], str, str]] = [
    (ClickyKind(), "is_named", "the kind 'greet people!' can't be typed in a command: use letters"),
    (NoKind(), "is_named", "NoKind has no kind"),
    (ChangesItsPayload(), "payloads_survive", "the type must be lossless"),
    (TakesAnything(), "refuses_misfits", "{'name': ''} does not fit and was not refused: let the payload's type"),
    (RetriesMisfits(), "refuses_misfits", "or raise Rejected"),
    (BadTitle(), "titles", "title raised AttributeError"),
    (NoTitle(), "titles", "title returned None for {'name': 'Ada'}: return text"),
    (ReturnsNothing(), "ends_well", "run returned None: return Success(…), Failed(…) or Retry(…)"),
    (ResultIsNoJson(), "ends_well", "the result can't be kept as JSON"),
    (HugeResult(), "ends_well", "store it elsewhere and return its place"),
    (SecondsForAfter(), "ends_well", "outcome that can't be kept"),
    (Raises(), "ends_well", "a good payload made it raise TypeError: return Retry when another try may help"),
    (Blocks(), "ends_well", "use asyncio.sleep, and asyncio.to_thread for blocking calls"),
    (LeavesTasks(), "ends_well", "it left sleep running: await or cancel what run starts"),
    (IgnoresInterrupts(), "heeds_interrupts", "it ignored ctx.cancelled and CancelledError: let CancelledError pass"),
    (UntidyAfterInterrupts(), "heeds_interrupts", "cleanup failed: KeyError"),
    (SlowCleanup(), "ends_well", "cleanup failed: it took longer than 1 s"),
    (RefusesItsOwnRemains(), "repeats_after_a_crash", "run must cope with its own half-done work"),
    (KeepsState(), "keeps_no_state", "a task changed self.names: one handler is shared by all tasks"),
    (CountsOnTheClass(), "keeps_no_state", "a task changed self.runs"),
]


@pytest.mark.parametrize(
    ("handler", "check", "words"), [pytest.param(*case, id=type(case[0]).__name__) for case in BROKEN]
)
def test_a_broken_handler_is_caught_with_what_to_mend(handler: Handler[Any], check: str, words: str) -> None:
    with pytest.raises(AssertionError) as told:
        check_handler_keeps_contract(handler, [{"name": "Ada"}], misfits=[{"name": ""}])
    paragraphs = str(told.value).split("\n\n")
    assert paragraphs[0] == f"{type(handler).__name__} breaks the contract of handlers"
    assert any(paragraph.startswith(f"{check}: ") and words in paragraph for paragraph in paragraphs), told.value


def test_what_tasks_may_share_is_named() -> None:
    check_handler_keeps_contract(KeepsState(), [{"name": "Ada"}], keeps=["names"])


def test_a_handler_that_runs_in_real_time_is_checked_too() -> None:
    class Quick(Greet):
        async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
            await asyncio.sleep(0.02)
            return Success()

    check_handler_keeps_contract(Quick(), [{"name": "Ada"}], real_time=True)

"""A plugin as workers know it, by its module: blocking handlers that go through lanes and make children."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from windlass import (
    BlockingContext,
    Context,
    Graces,
    Handler,
    Interrupted,
    Outcome,
    RetryPolicy,
    Settings,
    Success,
    hookimpl,
)
from windlass.errors import AttemptSuperseded

LANE = "entities"
WAITING = "waiting for entity artifact writer"


class Scene(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    file: str = ""
    """The handler stays where it is until this file is there."""


class Part(msgspec.Struct, forbid_unknown_fields=True):
    number: int = 0


def stay(scene: Scene) -> None:
    while not Path(scene.file).exists():
        time.sleep(0.005)


def publishes(ctx: BlockingContext, scene: Scene) -> Outcome:
    ctx.stage("computing")
    with ctx.lane(LANE, waiting=WAITING) as lane:
        stay(scene)
        lane.check()
        ctx.step(f"published {lane.name}", fence=lane.fence)
    return Success({"fence": lane.fence, "cancelled": ctx.cancelled.is_set()})


def dies_inside(ctx: BlockingContext, scene: Scene) -> Outcome:
    with ctx.lane(LANE):
        os._exit(7)


def catches_its_interrupt(ctx: BlockingContext, scene: Scene) -> Outcome:
    try:
        with ctx.lane(LANE):
            pass
    except Interrupted:
        ctx.step("was interrupted in line")
        stay(scene)
        raise
    return Success()


def is_refused(ctx: BlockingContext, scene: Scene) -> Outcome:
    said = []
    with ctx.lane("one") as one:
        try:
            with ctx.lane("two"):
                pass
        except RuntimeError as error:
            said.append(str(error))
    with ctx.lane("two") as two:
        two.check()
    try:
        two.check()
    except AttemptSuperseded as error:
        said.append(type(error).__name__)
    for name in ("", "a" * 201):
        try:
            with ctx.lane(name):
                pass
        except ValueError as error:
            said.append(str(error)[:20])
    return Success([one.fence, two.fence, *said])


def talks_from_two_threads(ctx: BlockingContext, scene: Scene) -> Outcome:
    def asks() -> None:
        ctx.enqueue("Part", {"number": 1}, name="from a thread")
        ctx.step("made while the other waits")

    thread = threading.Thread(target=asks)
    with ctx.lane("another"):
        thread.start()
        thread.join()
    with ctx.lane(LANE):
        return Success()


def makes_children(ctx: BlockingContext, scene: Scene) -> Outcome:
    first = ctx.enqueue("Part", {"number": 1}, name="one", title="part one", labels={"of": "it"})
    second = ctx.enqueue("Part", Part(2), priority=9, after=[first], after_success=True)
    return Success([first, second, ctx.enqueue("Part", Part(1), name="one", title="part one", labels={"of": "it"})])


def makes_what_does_not_fit(ctx: BlockingContext, scene: Scene) -> Outcome:
    said = []
    calls: list[Callable[[], int]] = [
        lambda: ctx.enqueue("Prat"),
        lambda: ctx.enqueue("Part", {"number": "x"}),
        lambda: ctx.enqueue("Part", object()),
        lambda: ctx.enqueue("Part", nmae="x"),  # type: ignore[call-arg]
        lambda: ctx.enqueue("Part", delay="x"),  # type: ignore[arg-type]
        lambda: ctx.enqueue("Part", priority=1_000),
        lambda: ctx.enqueue("Part", after=[1_000_000]),
    ]
    for call in calls:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - which one is what is asked
            said.append(type(error).__name__)
    return Success(said)


def makes_one_when_told(ctx: BlockingContext, scene: Scene) -> Outcome:
    ctx.step("ready")
    stay(scene)
    ctx.enqueue("Part")
    Path(f"{scene.file}.made").touch()
    return Success()


def leaves_a_thread_waiting(ctx: BlockingContext, scene: Scene) -> Outcome:
    def waits() -> None:
        with suppress(AttemptSuperseded), ctx.lane(LANE):
            pass

    threading.Thread(target=waits, daemon=True).start()
    return Success()


SCENES: dict[str, Callable[[BlockingContext, Scene], Outcome]] = {
    scene.__name__: scene
    for scene in (
        *(publishes, dies_inside, catches_its_interrupt, is_refused, talks_from_two_threads),
        *(makes_children, makes_what_does_not_fit, makes_one_when_told, leaves_a_thread_waiting),
    )
}


class InProcess(Handler[Scene]):
    kind = "ProcessScene"
    retry = RetryPolicy(attempts=1)
    graces = Graces(ask=0.2, raise_=30.0, terminate=0.2, kill=4.0, cleanup=1.0)

    def run(self, ctx: BlockingContext, payload: Scene) -> Outcome:
        return SCENES[payload.name](ctx, payload)


class InThread(InProcess):
    kind = "ThreadScene"
    executor = "thread"


class AsyncInProcess(Handler[Scene]):
    kind = "AsyncScene"
    executor = "process"
    retry = RetryPolicy(attempts=1)
    graces = InProcess.graces

    async def run(self, ctx: Context, payload: Scene) -> Outcome:
        child = await ctx.enqueue("Part", {"number": 3}, name="one")
        async with ctx.lane(LANE, waiting=WAITING) as lane:
            stay(payload)
            await lane.check()
        return Success({"fence": lane.fence, "child": child, "cancelled": ctx.cancelled.is_set()})


class Patient(InProcess):
    kind = "PatientScene"
    graces = Graces(ask=30.0)


class Tidy(InProcess):
    kind = "TidyScene"

    async def cleanup(self, ctx: Context, payload: Scene) -> None:
        async with ctx.lane("entities") as lane:
            await ctx.step("tidied up inside", fence=lane.fence)


class Parts(Handler[Part]):
    kind = "Part"

    async def run(self, ctx: Context, payload: Part) -> Outcome:
        return Success(payload.number)


class Sum(Handler[list[int]]):
    kind = "Sum"

    def run(self, ctx: BlockingContext, payload: list[int]) -> Outcome:
        return Success({"payload": payload, "pid": os.getpid()})

    def coalesce_key(self, payload: list[int]) -> str:
        return "all"

    def merge(self, payload: list[int], other: list[int]) -> Any:
        if other == [0]:
            raise ZeroDivisionError("by nought")
        if other == [-1]:
            return object()
        return payload + other


class InlineSum(Sum):
    kind = "InlineSum"
    executor = "inline"

    async def run(self, ctx: Context, payload: list[int]) -> Outcome:  # type: ignore[override]
        return Success({"payload": payload})


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [InProcess(), InThread(), AsyncInProcess(), Patient(), Tidy(), Parts(), Sum(), InlineSum()]

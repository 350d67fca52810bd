"""The harness for plugin authors: what it shows is what the kernel would have made of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from windlass import Context, Failed, Graces, Handler, Outcome, Rejected, Retry, RetryPolicy, Section, Success, hookimpl
from windlass.testing import (
    BootError,
    Harness,
    PayloadInvalid,
    Progress,
    Rung,
    Stage,
    State,
    Step,
    UnknownKind,
    Verdict,
    virtual,
)

HOUR = 3600.0


class CopySettings(msgspec.Struct, frozen=True):
    pause: float = 1.0


class CopyPayload(msgspec.Struct, forbid_unknown_fields=True):
    files: int = 3


class Copy(Handler[CopyPayload]):
    kind = "Copy"
    retry = RetryPolicy(attempts=3, pause=30.0)
    graces = Graces(ask=2.0, raise_=3.0, cleanup=4.0)
    output_cap = 100

    def __init__(self, settings: CopySettings | None = None) -> None:
        self._settings = settings or CopySettings()

    def title(self, payload: CopyPayload) -> str:
        return f"copy {payload.files} files"

    async def run(self, ctx: Context, payload: CopyPayload) -> Outcome:
        await ctx.stage("copying")
        for number in range(payload.files):
            if ctx.cancelled.is_set():
                return Failed("half a copy")
            await ctx.progress(number + 1, payload.files)
            await asyncio.sleep(self._settings.pause)
        await ctx.stage("checking")
        await asyncio.sleep(0.5)
        await ctx.step("checked", wrong=0)
        await ctx.output(b"all good\n")
        return Success({"files": payload.files})

    async def cleanup(self, ctx: Context, payload: CopyPayload) -> None:
        await ctx.step("tidied")


class Copier:
    @hookimpl
    def windlass_register_settings(self) -> Section:
        return Section("copier", CopySettings)

    @hookimpl
    def windlass_register_handlers(self, settings: Any) -> Iterable[Handler[Any]]:
        return [Copy(settings.of(CopySettings))]


def doing(act: Any, **traits: Any) -> Handler[Any]:
    """A handler of the kind Act whose run is `act`."""

    class Act(Handler[dict]):
        kind = "Act"

        async def run(self, ctx: Context, payload: Any) -> Outcome:
            outcome: Outcome = await act(ctx)
            return outcome

    for name, value in traits.items():
        setattr(Act, name, value)
    return Act()


@virtual
async def test_a_run_tells_all_an_attempt_said_with_its_times() -> None:
    async with Harness(Copy()) as harness:
        run = await harness.run("Copy", {"files": 2})
    assert (run.verdict, run.state, run.result, run.pause) == (Verdict.SUCCESS, State.COMPLETED, {"files": 2}, None)
    assert (run.title, run.attempt, run.retries, run.seconds) == ("copy 2 files", 1, 1, 2.5)
    assert run.stages == (Stage("copying", 0.0, 2.0), Stage("checking", 2.0, 0.5))
    assert run.steps == (Step("checked", 2.5, {"wrong": 0}), Step("tidied", 2.5))
    assert run.progress == (Progress(1, 2, 0.0), Progress(2, 2, 1.0))
    assert (run.output, run.dropped) == ({"stdout": b"all good\n"}, 0)
    assert (run.cleanups, run.cleanup_error, run.ended_by, run.error) == (1, "", None, None)


@virtual
async def test_values_of_progress_that_the_store_folds_are_all_seen() -> None:
    async def counts(ctx: Context) -> Outcome:
        for number in range(5):
            await ctx.progress(number)
        return Success()

    async with Harness(doing(counts)) as harness:
        run = await harness.run("Act")
    assert [value.current for value in run.progress] == [0, 1, 2, 3, 4]


def test_an_hour_takes_no_time_and_needs_no_plugin_of_pytest() -> None:
    @virtual
    async def play() -> None:
        async with Harness(Copier(), settings={"copier": {"pause": HOUR}}) as harness:
            run = await harness.run("Copy", {"files": 20})
        run.assert_succeeded({"files": 20})
        assert run.seconds == 20 * HOUR + 0.5

    began = time.monotonic()
    play()
    assert time.monotonic() - began < 2.0


@virtual
async def test_settings_are_decoded_as_a_boot_decodes_them() -> None:
    async with Harness(Copier(), settings={"copier": {"pause": 7}}) as harness:
        assert (await harness.run("Copy", CopyPayload(files=1))).seconds == 7.5
    with pytest.raises(BootError, match="did you mean 'pause'"):
        Harness(Copier(), settings={"copier": {"puase": 7}})
    with pytest.raises(BootError, match="belongs to no installed plugin"):
        Harness(Copier(), settings={"copy": {}})


def test_forgotten_brackets_are_told() -> None:
    with pytest.raises(BootError, match="register instances"):
        Harness(Copy)


@virtual
async def test_what_an_enqueue_refuses_is_refused_in_its_words() -> None:
    async with Harness(Copy()) as harness:
        with pytest.raises(PayloadInvalid, match="does not fit Copy: Expected `int`"):
            await harness.run("Copy", {"files": "many"})
        with pytest.raises(PayloadInvalid, match="truncated"):
            await harness.run("Copy", b"{")
        with pytest.raises(UnknownKind, match="did you mean Copy"):
            await harness.run("Kopy")


@virtual
async def test_an_interrupt_at_a_chosen_moment_climbs_the_ladder() -> None:
    async with Harness(Copy()) as harness:
        asked = await harness.run("Copy", {"files": 5}, interrupt_after=1.5)
        at_stage = await harness.run("Copy", interrupt_at="checking")
    asked.assert_canceled(by=Rung.ASKED)
    assert (asked.state, asked.seconds, asked.cleanups) == (State.CANCELED, 2.0, 1)
    assert asked.message == "interrupted by the test; it ended when asked; half a copy"
    assert at_stage.seconds == 3.5, "it was interrupted too late to matter"
    assert at_stage.verdict is Verdict.CANCELED


@virtual
async def test_a_handler_that_does_not_listen_is_cancelled_after_its_grace() -> None:
    async def sleeps(ctx: Context) -> Outcome:
        await asyncio.sleep(HOUR)
        return Success()

    async with Harness(doing(sleeps, graces=Graces(ask=2.0, raise_=3.0))) as harness:
        run = await harness.run("Act", interrupt_after=10.0)
    run.assert_canceled(by=Rung.RAISED)
    assert run.seconds == 12.0


@pytest.mark.parametrize("ignored", [asyncio.CancelledError, BaseException])
def test_a_handler_that_ignores_every_rung_is_reported_and_holds_nobody_up(ignored: type[BaseException]) -> None:
    async def ignores(ctx: Context) -> Outcome:
        while True:
            try:
                await asyncio.sleep(1.0)
            except ignored:
                continue

    @virtual
    async def play() -> None:
        async with Harness(doing(ignores, graces=Graces(ask=2.0, raise_=3.0))) as harness:
            run = await harness.run("Act", interrupt_after=10.0)
        assert (run.ended_by, run.verdict, run.seconds) == (Rung.ABANDONED, Verdict.CANCELED, 15.0)
        with pytest.raises(AssertionError, match="expected a handler that heeds its interrupt"):
            run.assert_canceled()

    play()


@virtual
async def test_a_task_is_run_to_its_end_with_all_its_attempts_and_pauses() -> None:
    async def fails_twice(ctx: Context) -> Outcome:
        match ctx.task.attempt:
            case 1:
                raise OSError("no route")
            case 2:
                return Retry("busy", after=timedelta(seconds=5))
        return Success(ctx.task.retries)

    async with Harness(doing(fails_twice)) as harness:
        began = asyncio.get_running_loop().time()
        first, second, third = await harness.run_to_end("Act", pause=60.0)
        assert round(asyncio.get_running_loop().time() - began, 3) == 65.0
    first.assert_retries("OSError: no route", after=60.0)
    second.assert_retries("busy", after=5.0)
    third.assert_succeeded(3)
    assert (first.state, third.state) == (State.PENDING, State.COMPLETED)
    assert isinstance(first.error, OSError)


@virtual
async def test_the_last_attempt_fails_as_it_would_on_a_node() -> None:
    async def fails(ctx: Context) -> Outcome:
        return Retry("still busy")

    async with Harness(doing(fails)) as harness:
        runs = await harness.run_to_end("Act", attempts=2)
    assert [run.verdict for run in runs] == [Verdict.RETRY, Verdict.FAILED]
    runs[-1].assert_failed("still busy (attempt 2 of 2, the last)")


@virtual
async def test_a_worker_that_dies_costs_an_attempt_and_skips_the_cleanup() -> None:
    async with Harness(Copy()) as harness:
        lost, last = await harness.run_to_end("Copy", lose_after=1.5)
    assert (lost.verdict, lost.cleanups, lost.attempt) == (Verdict.LOST, 0, 1)
    assert (last.verdict, last.cleanups, last.attempt, last.retries) == (Verdict.SUCCESS, 1, 2, 2)


@virtual
async def test_a_rejection_is_final_and_an_outcome_that_is_none_is_told() -> None:
    async def rejects(ctx: Context) -> Outcome:
        raise Rejected("no such file")

    async def returns_nothing(ctx: Context) -> Any:
        return None

    async with Harness(doing(rejects)) as harness:
        (await harness.run("Act")).assert_failed("no such file")
    async with Harness(doing(returns_nothing)) as harness:
        (await harness.run("Act")).assert_failed("returned NoneType, not Success, Failed or Retry")


@virtual
async def test_output_is_kept_up_to_the_kinds_cap() -> None:
    async def writes(ctx: Context) -> Outcome:
        await ctx.output(b"x" * 1000)
        await ctx.output(b"the end", "stderr")
        return Success()

    async with Harness(doing(writes, output_cap=100)) as harness:
        run = await harness.run("Act")
    assert sum(map(len, run.output.values())) == 100
    assert (run.dropped, run.output["stderr"]) == (907, b"the end")


@virtual
async def test_a_cleanup_that_fails_or_dawdles_is_told() -> None:
    async def nothing(ctx: Context) -> Outcome:
        return Success()

    async def dawdles(self: Any, ctx: Context, payload: Any) -> None:
        await asyncio.sleep(HOUR)

    async def breaks(self: Any, ctx: Context, payload: Any) -> None:
        raise OSError("gone")

    for cleanup, error in ((dawdles, "it took longer than 10 s"), (breaks, "OSError: gone")):
        handler = doing(nothing)
        type(handler).cleanup = cleanup  # type: ignore[method-assign]
        async with Harness(handler) as harness:
            run = await harness.run("Act")
        assert (run.verdict, run.cleanups, run.cleanup_error) == (Verdict.SUCCESS, 1, error)


@virtual
async def test_one_that_never_ends_fails_with_what_to_do() -> None:
    async def waits(ctx: Context) -> Outcome:
        await asyncio.Event().wait()
        return Success()

    async with Harness(doing(waits)) as harness:
        with pytest.raises(AssertionError, match=r"Act had not ended after 60 s: interrupt it, or give it longer"):
            await harness.run("Act", within=60.0)


@virtual
async def test_tasks_run_side_by_side_and_have_numbers_of_their_own() -> None:
    async with Harness(Copy()) as harness:
        runs = await asyncio.gather(*(harness.run("Copy", {"files": files}) for files in (1, 2, 3)))
    assert [run.result["files"] for run in runs] == [1, 2, 3]
    assert len({run.task for run in runs}) == 3


@virtual
async def test_what_a_handler_leaves_running_is_seen() -> None:
    async def forgets(ctx: Context) -> Outcome:
        ctx.kept = asyncio.create_task(asyncio.sleep(HOUR))  # type: ignore[attr-defined]
        return Success()

    async with Harness(doing(forgets)) as harness:
        run = await harness.run("Act")
    assert run.left_behind == ("sleep",)


@pytest.mark.calm
def test_a_thread_is_waited_for_in_real_time_on_the_virtual_clock() -> None:
    async def uses_a_thread(ctx: Context) -> Outcome:
        await asyncio.sleep(HOUR)
        await asyncio.to_thread(threading.Event().wait, 0.05)
        return Success()

    @virtual
    async def play() -> None:
        async with Harness(doing(uses_a_thread)) as harness:
            run = await harness.run("Act")
        run.assert_succeeded()
        assert HOUR + 0.05 <= run.seconds < HOUR + 5

    play()


async def test_on_an_ordinary_loop_only_the_pauses_are_skipped() -> None:
    async def fails_once(ctx: Context) -> Outcome:
        await asyncio.sleep(0.01)
        return Success() if ctx.task.attempt == 2 else Retry("later")

    async with Harness(doing(fails_once)) as harness:
        first, second = await harness.run_to_end("Act", pause=HOUR)
    assert (first.pause, second.verdict) == (HOUR, Verdict.SUCCESS)
    assert second.seconds < 5


@virtual
async def test_an_assertion_that_fails_tells_the_story_and_shows_the_handlers_traceback() -> None:
    async def breaks(ctx: Context) -> Outcome:
        await ctx.stage("reading")
        raise ZeroDivisionError("by nought")

    async with Harness(doing(breaks)) as harness:
        run = await harness.run("Act")
    with pytest.raises(AssertionError) as told:
        run.assert_succeeded()
    assert str(told.value).splitlines() == [
        "expected a success",
        "Act, attempt 1: RETRY after 0 s, again in 30 s: ZeroDivisionError: by nought",
        "     0.000 s  stage reading",
    ]
    assert isinstance(told.value.__cause__, ZeroDivisionError)
    for wrong in (
        lambda: run.assert_stages("writing"),
        lambda: run.assert_step("read"),
        lambda: run.assert_retries(after=5.0),
        lambda: run.assert_retries("by one"),
        run.assert_canceled,
        run.assert_failed,
    ):
        with pytest.raises(AssertionError, match="expected "):
            wrong()

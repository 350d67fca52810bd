"""What a handler is checked for.  Each takes a case and raises AssertionError with what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
import copy
import re
import time
from typing import Any

import msgspec

from windlass.core.interrupts import Rung
from windlass.core.lifecycle import Verdict
from windlass.errors import BadHandler, InvalidArgument
from windlass.handler import Failed, Handler, Rejected, Retry, Success, check_handler
from windlass.host.verdicts import LARGEST_RESULT
from windlass.testing.harness import Harness
from windlass.testing.record import Run
from windlass.testing.virtual import VirtualLoop

KIND = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
MOMENTS = (0.0, 0.1, 0.5, 0.9)
"""When to interrupt, as parts of what an undisturbed attempt takes."""
LONGEST_BLOCK = 0.5


class Case(msgspec.Struct, frozen=True):
    handler: Handler[Any]
    payloads: tuple[object, ...]
    misfits: tuple[object, ...]
    keeps: frozenset[str]
    real_time: bool

    @property
    def kind(self) -> str:
        return self.handler.kind

    @property
    def name(self) -> str:
        return type(self.handler).__name__


async def is_named(case: Case) -> None:
    try:
        check_handler(case.handler)
    except BadHandler as bad:
        raise AssertionError(bad.message) from None
    _must(
        KIND.fullmatch(case.kind) is not None,
        f"the kind {case.kind!r} can't be typed in a command: use letters, digits, `.`, `_` and `-`, a letter first",
    )
    _must(bool(case.payloads), "name at least one payload that the handler can run")


async def payloads_survive(case: Case) -> None:
    for payload in case.payloads:
        decoded = _decoded(case, payload)
        try:
            again = msgspec.json.decode(msgspec.json.encode(decoded), type=case.handler.payload_type)
        except (TypeError, ValueError) as error:
            raise AssertionError(f"the payload {payload!r} can't be sent as JSON once it is decoded: {error}") from None
        _must(again == decoded, f"the payload {decoded!r} comes back from JSON as {again!r}: the type must be lossless")


async def refuses_misfits(case: Case) -> None:
    async with Harness(case.handler) as harness:
        for misfit in case.misfits:
            try:
                run = await harness.run(case.kind, misfit)
            except InvalidArgument:
                continue
            refused = run.verdict is Verdict.FAILED and isinstance(run.error or run.returned, Rejected | Failed)
            _must(
                refused,
                f"{misfit!r} does not fit and was not refused: let the payload's type refuse it (its field types, a "
                f"__post_init__ that raises ValueError, forbid_unknown_fields=True), or raise Rejected\n{run.told()}",
            )


async def titles(case: Case) -> None:
    for payload in case.payloads:
        decoded = _decoded(case, payload)
        try:
            title: object = case.handler.title(decoded)
        except Exception as error:
            raise AssertionError(
                f"title raised {type(error).__name__}: {error} for {payload!r}: its task would be called Untitled"
            ) from error
        _must(isinstance(title, str), f"title returned {title!r} for {payload!r}: return text")


async def ends_well(case: Case) -> None:
    async with Harness(case.handler) as harness:
        for payload in case.payloads:
            began, waited = time.monotonic(), _waited()
            run = await harness.run(case.kind, payload)
            blocked = time.monotonic() - began - (_waited() - waited)
            _check_outcome(run)
            _check_cleanup(case, run)
            _must(
                not run.left_behind,
                f"it left {', '.join(run.left_behind)} running: await or cancel what run starts, e.g. in a TaskGroup",
            )
            _must(
                case.real_time or blocked < LONGEST_BLOCK,
                f"it kept the event loop for {blocked:.1f} s, and with it every other task of the node: "
                "use asyncio.sleep, and asyncio.to_thread for blocking calls",
            )


async def heeds_interrupts(case: Case) -> None:
    async with Harness(case.handler) as harness:
        for payload in case.payloads:
            undisturbed = await harness.run(case.kind, payload)
            for moment in sorted({round(part * undisturbed.seconds, 3) for part in MOMENTS}):
                run = await harness.run(case.kind, payload, interrupt_after=moment)
                _must(
                    run.ended_by is not Rung.ABANDONED,
                    f"interrupted after {moment:g} s it ignored ctx.cancelled and CancelledError: "
                    "let CancelledError pass (re-raise what you catch with `except BaseException` or `except:`)"
                    f"\n{run.told()}",
                )
                _check_cleanup(case, run)


async def repeats_after_a_crash(case: Case) -> None:
    async with Harness(case.handler) as harness:
        for payload in case.payloads:
            undisturbed = await harness.run(case.kind, payload)
            if undisturbed.verdict is not Verdict.SUCCESS:
                continue
            half = round(undisturbed.seconds / 2, 3)
            *_, last = await harness.run_to_end(case.kind, payload, lose_after=half)
            _must(
                last.verdict is Verdict.SUCCESS,
                f"its worker died after {half:g} s, and the next attempt did not succeed as an undisturbed one does: "
                f"run must cope with its own half-done work, cleanup does not run after a crash\n{last.told()}",
            )


async def keeps_no_state(case: Case) -> None:
    async with Harness(case.handler) as harness:
        for payload in case.payloads:
            before = _state(case)
            await harness.run(case.kind, payload)
            after = _state(case)
            changed = [name for name in sorted({*before, *after}) if before.get(name, ...) != after.get(name, ...)]
            _must(
                not changed,
                f"a task changed {', '.join(f'self.{name}' for name in changed)}: one handler is shared by all tasks "
                "of its kind, so keep a task's state in local variables, or name it in `keeps` if tasks may share it",
            )


ALL = (
    is_named,
    payloads_survive,
    refuses_misfits,
    titles,
    ends_well,
    heeds_interrupts,
    repeats_after_a_crash,
    keeps_no_state,
)


def _check_outcome(run: Run) -> None:
    if run.error is not None and not isinstance(run.error, Rejected):
        raise AssertionError(
            f"a good payload made it raise {type(run.error).__name__}: return Retry when another try may help, "
            f"Failed or raise Rejected when none will\n{run.told()}"
        ) from run.error
    outcome = run.returned
    if run.error is None:
        _must(
            isinstance(outcome, Success | Failed | Retry),
            f"run returned {outcome!r}: return Success(…), Failed(…) or Retry(…)",
        )
        _must("outcome that can't be kept" not in run.message, f"{run.message}: keep to the types its fields name")

        _check_result(outcome.result)


def _check_result(result: object) -> None:
    try:
        size = len(msgspec.json.encode(result))
    except (TypeError, ValueError, RecursionError) as error:
        raise AssertionError(f"the result can't be kept as JSON: {error}; use dicts, lists, text, numbers") from None
    _must(size <= LARGEST_RESULT, f"the result has {size} bytes: store it elsewhere and return its place")


def _check_cleanup(case: Case, run: Run) -> None:
    if type(case.handler).cleanup is Handler.cleanup or (run.returned is None and run.error is None):
        return
    _must(run.cleanups == 1, f"cleanup ran {run.cleanups} times, not once\n{run.told()}")
    _must(
        not run.cleanup_error,
        f"cleanup failed: {run.cleanup_error}: it must cope with whatever run had done by then\n{run.told()}",
    )


def _decoded(case: Case, payload: object) -> Any:
    raw = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    try:
        return msgspec.json.decode(raw, type=case.handler.payload_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AssertionError(f"the payload {payload!r} does not fit {case.kind}: {error}") from None


def _state(case: Case) -> dict[str, object]:
    own = [owner for owner in type(case.handler).__mro__ if issubclass(owner, Handler) and owner is not Handler]
    found: dict[str, object] = {}
    for owner in (*reversed(own), case.handler):
        found |= getattr(owner, "__dict__", {})
    return {name: _copied(value) for name, value in found.items() if name not in case.keeps and name[:2] != "__"}


def _copied(value: object) -> object:
    try:
        return copy.deepcopy(value) if isinstance(value, list | dict | set | bytearray) else value
    except Exception:  # noqa: BLE001 - what can't be copied is compared as it is
        return value


def _waited() -> float:
    loop = asyncio.get_running_loop()
    return loop.waited if isinstance(loop, VirtualLoop) else 0.0


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)

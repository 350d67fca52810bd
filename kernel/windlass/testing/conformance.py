"""The contract of a handler, as checks: each fails with what to mend.

As a pytest class, one test a check:

    class TestGreetKeepsTheContract(HandlerContract):
        handler = Greet()
        payloads = ({"name": "Ada"},)
        misfits = ({"name": 7},)

or all at once: `check_handler_keeps_contract(Greet(), [{"name": "Ada"}])`.  Both are for plain tests, not `async def`
ones: they bring their own event loop.

What no check can know: whether the effects outside the process can be made twice.  A task runs at least once, so that
is for the author to answer; `repeats_after_a_crash` only shows that a second attempt gets as far as an undisturbed one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from windlass.handler import Handler
from windlass.testing import checks
from windlass.testing.checks import Case
from windlass.testing.virtual import run_virtually

Check = Callable[[Case], Awaitable[None]]


def check_handler_keeps_contract(
    handler: Handler[Any],
    payloads: Sequence[object],
    *,
    misfits: Sequence[object] = (),
    keeps: Sequence[str] = (),
    real_time: bool = False,
) -> None:
    """Every check; AssertionError with one paragraph for each that fails.

    `payloads` are good ones (dicts, structs, or the bytes of JSON), `misfits` must be refused.  `keeps` names
    attributes of the handler that may change from task to task (a connection, a cache).  `real_time`
    is for handlers that need sockets or processes.
    """
    case = Case(handler, tuple(payloads), tuple(misfits), frozenset(keeps), real_time)
    wrong = []
    for check in checks.ALL:
        try:
            _play(check, case)
        except AssertionError as broken:
            wrong.append(f"{check.__name__}: {broken}")
            if check is checks.is_named:
                break  # nothing can run it
    if wrong:
        raise AssertionError("\n\n".join([f"{type(handler).__name__} breaks the contract of handlers", *wrong]))


class HandlerContract:
    """Subclass it in a test module, name the handler and its payloads, and pytest runs a test for each check."""

    handler: ClassVar[Handler[Any]]
    payloads: ClassVar[Sequence[object]]
    misfits: ClassVar[Sequence[object]] = ()
    keeps: ClassVar[Sequence[str]] = ()
    real_time: ClassVar[bool] = False

    def test_its_kind_and_its_payload_are_named(self) -> None:
        self._check(checks.is_named)

    def test_its_payloads_survive_the_store(self) -> None:
        self._check(checks.payloads_survive)

    def test_it_refuses_what_does_not_fit(self) -> None:
        self._check(checks.refuses_misfits)

    def test_its_titles_never_raise(self) -> None:
        self._check(checks.titles)

    def test_it_ends_with_an_outcome_that_can_be_kept(self) -> None:
        self._check(checks.ends_well)

    def test_it_ends_when_it_is_interrupted_at_any_moment(self) -> None:
        self._check(checks.heeds_interrupts)

    def test_it_runs_again_after_a_crash(self) -> None:
        self._check(checks.repeats_after_a_crash)

    def test_it_keeps_no_state_of_a_task(self) -> None:
        self._check(checks.keeps_no_state)

    def _check(self, check: Check) -> None:
        case = Case(self.handler, tuple(self.payloads), tuple(self.misfits), frozenset(self.keeps), self.real_time)
        _play(check, case)


def _play(check: Check, case: Case) -> None:
    async def main() -> None:
        await check(case)

    if case.real_time:
        asyncio.run(main())
    else:
        run_virtually(main())

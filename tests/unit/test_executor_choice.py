"""Which executor a handler gets, and what stops the boot."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

import pytest
from windlass import (
    Attempt,
    BlockingContext,
    Context,
    Executor,
    Handler,
    Outcome,
    Rung,
    Settings,
    Success,
    hookimpl,
)
from windlass.errors import BadHandler, BootError
from windlass.host.plugins import load_plugins


class Async(Handler[dict]):
    kind = "Async"

    async def run(self, ctx: Context, payload: dict) -> Outcome:
        return Success()


class Blocking(Handler[dict]):
    kind = "Blocking"

    def run(self, ctx: BlockingContext, payload: dict) -> Outcome:
        return Success()


class Elsewhere(Executor):
    runs_blocking = True

    def run(self, attempt: Attempt) -> Awaitable[Outcome]:
        raise NotImplementedError

    def climb(self, attempt: Attempt, rung: Rung) -> None: ...


class Plugin:
    def __init__(self, *handlers: Handler[Any], **executors: Any) -> None:
        self._handlers = handlers
        self._executors = executors

    @hookimpl
    def windlass_register_executors(self, settings: Settings) -> Mapping[str, Executor]:
        return self._executors

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return self._handlers


def with_(base: Handler[Any], **attributes: Any) -> Handler[Any]:
    return type(type(base).__name__, (type(base),), attributes)()  # type: ignore[no-any-return]


def chosen(handler: Handler[Any], **executors: Any) -> str:
    plugins = load_plugins({}, {"mine": Plugin(handler, **executors)}, installed=False)
    executor = plugins.kinds[handler.kind].executor
    [name] = [name for name, one in plugins.executors.items() if one is executor]
    return name


def test_an_async_handler_runs_inline_and_a_blocking_one_in_a_process() -> None:
    assert chosen(Async()) == "inline"
    assert chosen(Blocking()) == "process"


@pytest.mark.parametrize(
    ("handler", "name"), [(Async(), "process"), (Blocking(), "thread"), (Blocking(), "process"), (Async(), "inline")]
)
def test_a_handler_chooses(handler: Handler[Any], name: str) -> None:
    assert chosen(with_(handler, executor=name)) == name


def test_a_plugin_brings_an_executor_of_its_own() -> None:
    assert chosen(with_(Blocking(), executor="elsewhere"), elsewhere=Elsewhere()) == "elsewhere"


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (
            with_(Blocking(), executor="inline"),
            "Blocking.run is a plain `def`, which executor='inline' does not run: make it `async def`, or set",
        ),
        (
            with_(Async(), executor="thread"),
            "Async.run is `async def`, which executor='thread' does not run: make it a plain `def`, or set",
        ),
        (
            with_(Async(), executor="threads"),
            "Async wants the executor 'threads'; there are inline, process, thread",
        ),
        (
            with_(Async(), memory_limit=1),
            "Async sets memory_limit, which executor='inline' can't keep: set executor = \"process\"",
        ),
    ],
)
def test_a_handler_that_does_not_fit_its_executor_stops_the_boot_and_is_told_what_to_mend(
    handler: Handler[Any], words: str
) -> None:
    with pytest.raises(BadHandler) as refused:
        chosen(handler)
    assert words in refused.value.message


def test_an_executor_named_twice_stops_the_boot() -> None:
    with pytest.raises(BootError, match=r"two executors are named 'inline': .*Elsewhere"):
        load_plugins({}, {"mine": Plugin(inline=Elsewhere())}, installed=False)


def test_an_executor_that_is_none_stops_the_boot() -> None:
    with pytest.raises(BootError, match=r"'odd' is 7, no instance of a windlass\.Executor"):
        load_plugins({}, {"mine": Plugin(odd=7)}, installed=False)

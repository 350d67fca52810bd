"""What plugins register as operations is checked at boot, and called in the harness as a client would."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from windlass import Operation, OperationCall, Rejected, Role, Settings, hookimpl
from windlass.errors import BootError
from windlass.host.plugins import load_plugins
from windlass.testing import ArgumentInvalid, Harness, OperationRejected, RoleTooLow


async def run(call: OperationCall, argument: Any) -> Any:
    return argument


def blocking(call: OperationCall, argument: Any) -> Any:
    return argument


def operation(**changes: Any) -> Operation:
    fields: dict[str, Any] = {"name": "requeue-all", "title": "Requeue", "description": "All of it.", "run": run}
    return Operation(**(fields | changes))


class Brings:
    def __init__(self, *operations: object) -> None:
        self.operations = operations

    @hookimpl
    def windlass_register_operations(self, settings: Settings) -> Iterable[Any]:
        return self.operations


def boot(*operations: object) -> Any:
    return load_plugins({}, {"plug": Brings(*operations)}, installed=False).operations


def test_an_operation_is_served_under_its_plugins_name() -> None:
    found = boot(operation(), operation(name="count", argument=int, result=int))
    assert list(found) == ["plug.requeue-all", "plug.count"]
    assert found["plug.count"].decode(b"3") == 3
    assert found["plug.count"].argument_schema == b'{"type":"integer"}'
    assert found["plug.requeue-all"].result_schema is None


def test_plugins_may_choose_the_same_name() -> None:
    plugins = {"one": Brings(operation()), "two": Brings(operation())}
    assert set(load_plugins({}, plugins, installed=False).operations) == {"one.requeue-all", "two.requeue-all"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Requeue"}, "an operation's name is 1 to 50 of a-z"),
        ({"name": "requeue_all"}, "single hyphens, like requeue-all, not 'requeue_all'"),
        ({"name": "requeue--all"}, "single hyphens"),
        ({"name": "-all"}, "single hyphens"),
        ({"name": ""}, "1 to 50"),
        ({"name": "a" * 51}, "1 to 50"),
        ({"title": ""}, "needs a title of 1 to 100 characters, and a description"),
        ({"title": "x" * 101}, "needs a title"),
        ({"description": " "}, "and a description"),
        ({"run": blocking}, "run must be `async def`"),
        ({"role": "operator"}, "role must be one of Role.VIEWER, Role.SUBMITTER, Role.OPERATOR, Role.ADMIN, not 'op"),
        ({"role": 3}, "role must be one of"),
        ({"role": Role.AGENT}, "role must be one of"),
        ({"role": Role.VIEWER}, "changes something, which Role.VIEWER may not"),
        ({"seconds": 0.0}, "seconds must be more than 0 and at most 3600"),
        ({"seconds": float("nan")}, "seconds must be"),
        ({"argument": dict[int | tuple[int], str] | list[str] | set[str]}, "the argument of operation"),
    ],
)
def test_what_breaks_the_contract_stops_the_boot(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BootError) as refused:
        boot(operation(**changes))
    assert words in refused.value.message


def test_two_of_one_name_stop_the_boot() -> None:
    with pytest.raises(BootError, match="plugin plug has two operations with the name requeue-all"):
        boot(operation(), operation())


def test_what_is_no_operation_stops_the_boot() -> None:
    with pytest.raises(BootError, match=r"plugin plug: windlass_register_operations returned 'requeue', no Operation"):
        boot("requeue")


class Which(msgspec.Struct):
    limit: int = 1


async def requeue(call: OperationCall, argument: Which) -> dict[str, Any]:
    if argument.limit > 5:
        raise Rejected("at most 5 at once")
    task = await call.enqueue("Letter", {"limit": argument.limit})
    return {"task": task, "by": call.caller, "why": call.reason}


async def test_an_operation_is_called_in_the_harness_as_a_client_would() -> None:
    async with Harness(Brings(operation(run=requeue, argument=Which))) as harness:
        assert await harness.call("requeue-all", Which(2), reason="why") == {"task": 1, "by": "the test", "why": "why"}
        [made] = harness.made
        assert (made.kind, made.payload, made.trigger, made.initiator) == (
            *("Letter", {"limit": 2}),
            *("operator", "the test"),
        )
        with pytest.raises(ArgumentInvalid) as refused:
            await harness.call("requeue-all", {"limit": "x"})
        assert refused.value.field == "argument.limit"
        with pytest.raises(OperationRejected, match="at most 5 at once"):
            await harness.call("requeue-all", {"limit": 6})
        with pytest.raises(RoleTooLow):
            await harness.call("requeue-all", role=Role.SUBMITTER)

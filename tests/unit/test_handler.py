"""The contract a handler has to keep, and the context's public face."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from windlass import Context, Handler, Outcome, Role, Section, Settings, Success
from windlass.errors import BadHandler
from windlass.handler import check_handler


class Payload(msgspec.Struct):
    n: int = 0


class Good(Handler[Payload]):
    kind = "Good"

    async def run(self, ctx: Context, payload: Payload) -> Outcome:
        return Success()


class Grandchild(Good):
    kind = "Grandchild"


class NoKind(Handler[Payload]):
    async def run(self, ctx: Context, payload: Payload) -> Outcome:
        return Success()


class EmptyKind(NoKind):
    kind = ""


class NumberKind(NoKind):
    kind = 7  # type: ignore[assignment]


class AgentsKind(NoKind):
    kind = "AgentsKind"
    role = Role.AGENT


class NoPayload(Handler):
    kind = "NoPayload"

    async def run(self, ctx: Context, payload: Any) -> Outcome:
        return Success()


class BlockingCleanup(Good):
    kind = "BlockingCleanup"

    def cleanup(self, ctx: Context, payload: Payload) -> None:  # type: ignore[override]
        pass


def test_a_good_handler_is_taken_with_its_defaults() -> None:
    handler = check_handler(Good())
    assert handler.payload_type is Payload
    assert (handler.pool, handler.retry.attempts, handler.output_cap) == ("default", 10, 1024 * 1024)
    assert handler.title(Payload()) == ""


def test_a_subclass_of_a_handler_keeps_its_payload_type() -> None:
    assert check_handler(Grandchild()).payload_type is Payload


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (Good, "is not a windlass.Handler: register instances"),
        ("Good", "is not a windlass.Handler"),
        (None, "is not a windlass.Handler"),
        (NoKind(), "NoKind has no kind"),
        (EmptyKind(), "EmptyKind has no kind"),
        (NumberKind(), "NumberKind has no kind"),
        (NoPayload(), "NoPayload does not name its payload: subclass Handler[YourPayload]"),
        (AgentsKind(), "AgentsKind.role must be one of Role.SUBMITTER, Role.OPERATOR, Role.ADMIN, not <Role.AGENT"),
        (BlockingCleanup(), "BlockingCleanup.cleanup must be `async def`"),
    ],
)
def test_a_broken_contract_says_what_to_mend(handler: object, words: str) -> None:
    with pytest.raises(BadHandler) as refused:
        check_handler(handler)
    assert words in refused.value.message


def test_a_handler_without_run_can_not_be_made() -> None:
    class Idle(Handler[Payload]):
        kind = "Idle"

    with pytest.raises(TypeError, match="run"):
        Idle()  # type: ignore[abstract]


def test_a_plugin_reads_back_the_section_it_declared() -> None:
    section = Section("mine", Payload)
    settings = Settings({section.type: Payload(3)})
    assert settings.of(Payload).n == 3
    with pytest.raises(KeyError):
        settings.of(msgspec.Struct)

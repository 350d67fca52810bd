"""Admission: what is refused, what is filled in, and what makes two requests the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass import Context, Handler, Outcome, RetryPolicy, Success
from windlass.errors import InvalidArgument, PayloadInvalid, PayloadTooLarge, UnknownKind
from windlass.host.admission import LARGEST_PAYLOAD, Admission, Caller, Request
from windlass.host.plugins import Kind
from windlass.store.facts import NewTask

ADA = Caller(name="ada", origin=1)


class GreetPayload(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    mood: Literal["good", "bad"] = "good"


class Greet(Handler[GreetPayload]):
    kind = "Greet"
    pool = "greeters"
    retry = RetryPolicy(attempts=3, pause=7.0)

    async def run(self, ctx: Context, payload: GreetPayload) -> Outcome:
        return Success()

    def title(self, payload: GreetPayload) -> str:
        return payload.name and f"Greet {payload.name}"


class Anything(Handler[Any]):
    kind = "Anything"

    async def run(self, ctx: Context, payload: Any) -> Outcome:
        return Success()


class Untitled(Anything):
    kind = "Untitled"

    def title(self, payload: Any) -> str:
        raise KeyError("title")


def _kind(handler: Handler[Any]) -> Kind:
    return Kind(handler, msgspec.json.Decoder(handler.payload_type).decode, False)


POOLS = ("default", "other", "x", "x" * 100)
ADMISSION = Admission({"Greet": _kind(Greet()), "Anything": _kind(Anything()), "Untitled": _kind(Untitled())}, POOLS)


def _admit(**asked: Any) -> NewTask:
    return ADMISSION.admit(Request(**{"kind": "Greet"} | asked), ADA)


def _refusal(**asked: Any) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as refused:
        _admit(**asked)
    return refused.value


def test_what_was_not_asked_for_comes_from_the_kind() -> None:
    task = _admit(payload=b'{"name": "Ada"}')
    assert (task.title, task.priority, task.pool, task.trigger) == ("Greet Ada", 5, "greeters", "api")
    assert (task.attempt_limit, task.retry_pause, task.delay) == (3, 7.0, 0.0)
    assert (task.labels, task.payload, task.request_id, task.body_hash) == ("{}", '{"name": "Ada"}', None, b"")


def test_what_was_asked_for_is_kept() -> None:
    task = _admit(
        title="Hello",
        priority=0,
        pool="other",
        trigger="schedule",
        labels={"b": "2", "a": "1"},
        attempts=1,
        pause=0.0,
        delay=60.0,
    )
    assert (task.title, task.priority, task.pool, task.trigger) == ("Hello", 0, "other", "schedule")
    assert (task.labels, task.attempt_limit, task.retry_pause, task.delay) == ('{"a":"1","b":"2"}', 1, 0.0, 60.0)


def test_who_asks_is_the_authenticated_caller() -> None:
    task = ADMISSION.admit(Request("Greet"), Caller(name="cron", origin=2))
    assert (task.initiator, task.origin) == ("cron", 2)


def test_a_title_the_handler_makes_is_cut_to_what_a_list_shows() -> None:
    assert len(_admit(payload=msgspec.json.encode({"name": "x" * 500})).title) == 200


def test_a_handler_that_can_not_title_its_task_does_not_refuse_it() -> None:
    assert _admit(kind="Untitled").title == ""


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"title": "x" * 201}, "task.title", "title has 201 characters; at most 200"),
        ({"pool": "x" * 101}, "task.pool", "pool has 101 characters; at most 100"),
        ({"trigger": "x" * 101}, "task.trigger", "trigger has 101 characters; at most 100"),
        ({"labels": {"key": "x" * 98}}, "task.labels.key", "labels.key has 101 characters; at most 100"),
        ({"title": "a\0"}, "task.title", "title holds a NUL"),
        ({"pool": "a\0"}, "task.pool", "pool holds a NUL"),
        ({"trigger": "a\0"}, "task.trigger", "trigger holds a NUL"),
        ({"labels": {"key": "\0"}}, "task.labels.key", "labels.key holds a NUL"),
        ({"labels": {f"{n}": "" for n in range(65)}}, "task.labels", "number of labels must be from 0 to 64, not 65"),
        ({"priority": -1}, "task.priority", "priority must be from 0 to 100, not -1"),
        ({"priority": 101}, "task.priority", "priority must be from 0 to 100, not 101"),
        ({"attempts": 0}, "task.retry.attempts", "retry.attempts must be from 1 to 32000, not 0"),
        ({"attempts": 32_001}, "task.retry.attempts", "retry.attempts must be from 1 to 32000, not 32001"),
        ({"pause": -1.0}, "task.retry.pause", "retry.pause must be from 0 to 31622400, not -1.0"),
        ({"pause": float("nan")}, "task.retry.pause", "retry.pause must be from 0"),
        ({"delay": 6 * 366 * 86_400.0}, "task.due_time", "more than five years away"),
        ({"request_id": "7"}, "request_id", "request_id '7' is not a UUID"),
    ],
)
def test_a_refusal_names_its_field_and_the_limit(asked: Mapping[str, Any], field: str, words: str) -> None:
    refusal = _refusal(**asked)
    assert refusal.field == field
    assert words in refusal.message


@pytest.mark.parametrize(
    "asked",
    [
        {"title": "x" * 200, "pool": "x" * 100, "trigger": "x" * 100, "labels": {"key": "x" * 97}},
        {"labels": {f"{n}": "" for n in range(64)}, "priority": 100, "attempts": 32_000, "pause": 366 * 86_400.0},
        {"priority": 0, "attempts": 1, "pause": 0.0, "delay": -5.0},
    ],
)
def test_the_limits_themselves_are_allowed(asked: Mapping[str, Any]) -> None:
    assert _admit(**asked).kind == "Greet"


def test_an_unknown_kind_names_the_nearest_one() -> None:
    refusal = _refusal(kind="Gret")
    assert isinstance(refusal, UnknownKind)
    assert (refusal.field, refusal.facts) == ("task.kind", {"kind": "Gret"})
    assert refusal.message == "no plugin here handles kind 'Gret'; did you mean Greet?"


def test_an_unknown_kind_that_resembles_none_gets_the_list() -> None:
    assert "known kinds: Anything, Greet, Untitled" in _refusal(kind="Zzzz").message
    with pytest.raises(UnknownKind, match="none: no plugin is installed"):
        Admission({}, POOLS).admit(Request("Greet"), ADA)


def test_a_kind_of_a_megabyte_gets_a_short_answer() -> None:
    refusal = _refusal(kind="x" * 1_000_000)
    assert refusal.field == "task.kind"
    assert len(refusal.message) + len(str(refusal.facts)) < 1_000


def test_a_label_of_a_megabyte_gets_a_short_answer() -> None:
    refusal = _refusal(labels={"x" * 1_000_000: ""})
    assert len(refusal.message) + len(refusal.field) < 1_000


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"name": 7}',
        b'{"nmae": "Ada"}',
        b'{"mood": "odd"}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("kind", ["Greet", "Anything"])
def test_a_payload_that_does_not_fit_is_refused(kind: str, payload: bytes) -> None:
    fits_anything = payload in (b"[]", b'{"name": 7}', b'{"nmae": "Ada"}', b'{"mood": "odd"}')
    if kind == "Anything" and fits_anything:
        assert _admit(kind=kind, payload=payload).payload == payload.decode()
    else:
        refusal = _refusal(kind=kind, payload=payload)
        assert isinstance(refusal, PayloadInvalid)
        assert refusal.field == "task.payload"
        assert refusal.message.startswith(f"the payload does not fit {kind}: ")


def test_a_payload_over_the_limit_is_refused_with_both_sizes() -> None:
    refusal = _refusal(kind="Anything", payload=b'"' + b"x" * (LARGEST_PAYLOAD - 1) + b'"')
    assert isinstance(refusal, PayloadTooLarge)
    assert refusal.facts == {"size": str(LARGEST_PAYLOAD + 1), "limit": str(LARGEST_PAYLOAD)}
    assert len(_admit(kind="Anything", payload=b'"' + b"x" * (LARGEST_PAYLOAD - 2) + b'"').payload) == LARGEST_PAYLOAD


@pytest.mark.parametrize(
    ("payload", "refused"),
    [
        (rb'"\u0000"', True),
        (rb'"\\u0000"', False),
        (rb'"\\\u0000"', True),
        (rb'"\\\\u0000"', False),
        (rb'"\\u0000 and \u0000"', True),
        (rb'{"\u0000": 1}', True),
        (b'"\0"', True),
        (rb'"u0000"', False),
        (rb'"\u00001"', True),
        (rb'"\u0001"', False),
    ],
)
def test_a_nul_is_found_however_it_is_written(payload: bytes, refused: bool) -> None:
    if refused:
        assert "the payload holds a NUL character" in _refusal(kind="Anything", payload=payload).message
    else:
        assert _admit(kind="Anything", payload=payload).payload == payload.decode()


@given(st.text(st.sampled_from('\\u0\0abc"')))
def test_a_nul_is_found_exactly_when_the_text_has_one(text: str) -> None:
    payload = msgspec.json.encode(text)
    if "\0" in text:
        assert "NUL" in _refusal(kind="Anything", payload=payload).message
    else:
        assert _admit(kind="Anything", payload=payload).payload == payload.decode()


def test_a_payload_full_of_backslashes_is_looked_through_in_no_time() -> None:
    payload = b'"' + b"\\\\u0000" * 149_000 + b'"'
    began = time.monotonic()
    assert _admit(kind="Anything", payload=payload).payload == payload.decode()
    assert "NUL" in _refusal(kind="Anything", payload=payload[:-1] + b'\\u0000"').message
    assert time.monotonic() - began < 2.0


def test_a_request_id_is_a_uuid_in_any_of_its_spellings() -> None:
    wanted = UUID("0b3c2f6e-2a53-4d0c-9d6d-0d8f2b6d1f00")
    for text in (str(wanted), str(wanted).upper(), wanted.hex):
        assert _admit(request_id=text).request_id == wanted


REQUEST_ID = "0b3c2f6e-2a53-4d0c-9d6d-0d8f2b6d1f00"
SAME: dict[str, Any] = {"labels": {"a": "1", "b": "2"}, "payload": b'{"name": "Ada"}', "request_id": REQUEST_ID}


def test_the_order_of_labels_does_not_make_another_body() -> None:
    other = SAME | {"labels": {"b": "2", "a": "1"}}
    assert _admit(**SAME).body_hash == _admit(**other).body_hash != b""


def test_a_due_time_that_came_nearer_does_not_make_another_body() -> None:
    assert _admit(**SAME, delay=60.0).body_hash == _admit(**SAME, delay=59.0).body_hash


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Anything"},
        {"title": "x"},
        {"priority": 6},
        {"priority": 5},
        {"pool": "x"},
        {"trigger": "x"},
        {"labels": {"a": "1"}},
        {"payload": b'{"name": "Eve"}'},
        {"attempts": 2},
        {"pause": 1.0},
    ],
)
def test_anything_else_makes_another_body(change: dict[str, Any]) -> None:
    assert _admit(**SAME).body_hash != _admit(**SAME | change).body_hash

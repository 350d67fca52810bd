"""The grammar of filters: what binds how, what a literal means, and what is said of a filter that can't be read."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from windlass.core.fields import AUDIT, CARDS, TASKS
from windlass.core.filters import EVERYTHING, And, Comparison, Condition, Not, Or, Presence, parse_filter
from windlass.core.literals import Ago, Pattern
from windlass.errors import FilterInvalid


def said(condition: Condition) -> str:
    """A condition with every bracket."""
    match condition:
        case And(parts):
            return "(" + " AND ".join(map(said, parts)) + ")"
        case Or(parts):
            return "(" + " OR ".join(map(said, parts)) + ")"
        case Not(part):
            return f"NOT {said(part)}"
        case Presence(target):
            return ".".join((target.field.name, *target.path)) + ":*"
        case Comparison(target, operator, value):
            words = "*".join(value.parts) if isinstance(value, Pattern) else value
            return f"{'.'.join((target.field.name, *target.path))}{operator.value}{words}"


def read(text: str, fields: Any = TASKS) -> str:
    condition = parse_filter(text, fields).condition
    assert condition is not None
    return said(condition)


def value_of(text: str) -> Any:
    condition = parse_filter(text, TASKS).condition
    assert isinstance(condition, Comparison)
    return condition.value


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("kind = a", "kind=a"),
        ("kind=a AND pool=b", "(kind=a AND pool=b)"),
        ("kind=a pool=b", "(kind=a AND pool=b)"),
        ("kind=a OR pool=b", "(kind=a OR pool=b)"),
        ("kind=a AND pool=b OR pool=c", "(kind=a AND (pool=b OR pool=c))"),
        ("kind=a OR kind=b AND pool=c", "((kind=a OR kind=b) AND pool=c)"),
        ("kind=a pool=b OR pool=c", "(kind=a AND (pool=b OR pool=c))"),
        ("(kind=a AND pool=b) OR pool=c", "((kind=a AND pool=b) OR pool=c)"),
        ("NOT kind=a OR pool=b", "(NOT kind=a OR pool=b)"),
        ("-kind=a pool=b", "(NOT kind=a AND pool=b)"),
        ("NOT (kind=a pool=b)", "NOT (kind=a AND pool=b)"),
        ("-(-kind=a)", "NOT NOT kind=a"),
        ("kind != a", "NOT kind=a"),
        ("((kind=a))", "kind=a"),
        ("kind=(a OR b OR c)", "(kind=a OR kind=b OR kind=c)"),
        ("kind:(a AND b)", "(kind:a AND kind:b)"),
        ("NOT kind=(a OR b)", "NOT (kind=a OR kind=b)"),
        ("kind=OR", "kind=OR"),
        ("kind=ORANGE OR kind=NOTHING", "(kind=ORANGE OR kind=NOTHING)"),
        ("kind=a\n\tAND\npool=b", "(kind=a AND pool=b)"),
        ("node=host-1/5", "node=host-1/5"),
        ('"kind"="a"', "kind=a"),
    ],
)
def test_or_binds_tighter_than_and_and_what_stands_side_by_side_is_joined_by_and(text: str, meaning: str) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("backup", "(title:backup OR kind:backup)"),
        ('"two words"', "(title:two words OR kind:two words)"),
        ("12", "(title:12 OR kind:12 OR id=12)"),
        ('"state"', "(title:state OR kind:state)"),
        ("db.example.org", "(title:db.example.org OR kind:db.example.org)"),
        ("-old new", "(NOT (title:old OR kind:old) AND (title:new OR kind:new))"),
    ],
)
def test_a_word_by_itself_is_looked_for_in_title_and_kind_and_a_number_as_an_id_too(text: str, meaning: str) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("labels.tenant:*", "labels.tenant:*"),
        ("labels:tenant", "labels.tenant:*"),
        ("labels:*", "labels:*"),
        ('labels.tenant:"acme"', "labels.tenant=acme"),
        ('labels."a.b/c" = x', "labels.a.b/c=x"),
        ("labels.NOT = x", "labels.NOT=x"),
        ("payload.a.b:*", "payload.a.b:*"),
        ("payload:a", "payload.a:*"),
        ('payload.a:"x"', "payload.a:x"),
        ("title:*", "title:*"),
        ('title:"word"', "title:word"),
        ("state:RUNNING", "state=2"),
        ("priority:5", "priority=5"),
        ("end_time:*", "end_time:*"),
    ],
)
def test_a_colon_asks_whether_something_has_something(text: str, meaning: str) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("state = RUNNING", 2),
        ("origin = USER", 1),
        ("priority = 5", 5),
        ("priority = -5", -5),
        ("priority > 4.50", Decimal("4.50")),
        ("priority > 1e2", Decimal("1e2")),
        ("id = tasks/5", 5),
        ('name = "cards/5"', 5),
        ("parent = 5", 5),
        ("title = foo", Pattern(("foo",))),
        ("title = 'it is'", Pattern(("it is",))),
        ('title = ""', Pattern(("",))),
        ('title = "foo*"', Pattern(("foo", ""))),
        ("title = *a*b", Pattern(("", "a", "b"))),
        (r'title = "2\*3"', Pattern(("2*3",))),
        (r'title = "say \"hi\" \\o/"', Pattern(('say "hi" \\o/',))),
        ("create_time > 2026-01-31T08:00:00Z", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("create_time > 2026-01-31T08:00:00.25+02:00", datetime(2026, 1, 31, 6, 0, 0, 250_000, tzinfo=UTC)),
        ('create_time > "2026-01-31T08:00Z"', datetime(2026, 1, 31, 8, tzinfo=UTC)),
        ("create_time > 2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("create_time > ago(1h30m)", Ago(5_400.0)),
        ('create_time > ago("1.5h")', Ago(5_400.0)),
        ("next_try_time < ago(-10m)", Ago(-600.0)),
        ("retry.pause >= 1.5s", 1.5),
        ("retry.pause = 1d2h3m4s5ms", 93_784.005),
        ("payload.a = 5", 5),
        ('payload.a = "5"', Pattern(("5",))),
        ("payload.a = true", True),
        ('payload.a = "true"', Pattern(("true",))),
        ("payload.a = db*", Pattern(("db", ""))),
    ],
)
def test_a_literal_means_what_its_field_holds(text: str, value: Any) -> None:
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_the_state_of_a_card_is_the_cards_own() -> None:
    assert read("state = COMPLETED", CARDS) == "state=2"
    assert read("state = COMPLETED", TASKS) == "state=4"


def test_the_audit_log_has_fields_of_its_own() -> None:
    assert read("role = ADMIN AND method:Interrupt AND resource = tasks/5 ada", AUDIT).startswith("(role=4 AND ")
    with pytest.raises(FilterInvalid, match="audit entries have no field 'kind'"):
        parse_filter("kind = x", AUDIT)


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_filter_lets_everything_through(text: str) -> None:
    assert parse_filter(text, TASKS) == EVERYTHING


@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("stat = RUNNING", 1, "tasks have no field 'stat'; did you mean state?; there are attempt, "),
        ("pool = a AND Kind = b", 14, "did you mean kind?"),
        ("task.kind = b", 1, "no field 'task.kind'"),
        ("state = running", 9, "state is never 'running'; did you mean RUNNING?; state is one of PENDING, "),
        ("state = STATE_RUNNING", 9, "did you mean RUNNING?"),
        ("state > RUNNING", 9, "only = and != do"),
        ("state", 1, 'state is a field: compare it with something, or write "state"'),
        ("priority = high", 12, "priority is a number, which 'high' is not"),
        ("priority = 0x5", 12, "which '0x5' is not"),
        ("priority = " + "9" * 31, 12, "at most 30 digits"),
        ("priority = 1e99", 12, "out of range"),
        ("id = node/5", 6, "id is an id, such as 5 or tasks/5 or cards/5"),
        ("create_time > yesterday", 15, "such as 2026-01-31T08:00:00Z"),
        ("create_time > 1h", 15, "write ago(1h)"),
        ("create_time > 2026-01-31T08:00:00", 15, "needs its offset from UTC"),
        ("create_time > 2026-02-31", 15, "is no time"),
        ("create_time > 0001-01-01T00:00:00+12:00", 15, "is no time"),
        ("create_time > ago(5)", 15, "such as 30s, 1.5h or 1d12h"),
        ("create_time > ago(101w900000h)", 15, "more than a hundred years"),
        ("create_time > ago()", 19, "here should come a value"),
        ("()", 2, "here should come a condition"),
        ("create_time > before(1h)", 15, "there is no function before"),
        ("priority = ago(1h)", 12, "ago(…) is a time, and priority is a number"),
        ("ago(1h) kind=a", 1, "may only stand after a comparison"),
        ("retry.pause > 5", 15, "retry.pause is a duration"),
        ("title.x = 5", 1, "title is text: nothing is in it"),
        ("labels = 5", 1, "labels.KEY = …"),
        ("labels.a.b = 5", 1, 'labels."a.b"'),
        ("payload.a = null", 13, "NOT payload.x:*"),
        ("payload.a > true", 13, "only = and != do"),
        ('title > "a*"', 9, "a * may stand after = != and :"),
        ("kind != (a OR b)", 1, "a group may stand after = or :"),
        ('title = "abc', 9, 'a string begins with " and does not end'),
        (r'title = "a\tb"', 11, r"write \\ for a backslash"),
        ("title = a\0b", 9, "NUL"),
        ("kind == a", 7, "a value"),
        ("kind = a && pool = b", 10, "write AND, OR, NOT"),
        ("kind = a and pool = b", 10, "write AND in capitals"),
        ("kind = a OR", 12, "the filter ends where a condition"),
        ("kind =", 7, "the filter ends where a value should come"),
        ("(kind = a", 10, "a closing parenthesis"),
        ("kind = a)", 9, "closed that was never opened"),
        ("= a", 1, "here should come a condition"),
        ("kind = a, b", 9, "can't go on at ', b'"),
        ("kind = (a OR b AND c)", 16, "can't go on"),
        ("(" * 21 + "a" + ")" * 21, 21, "more than 20 parentheses"),
        ("a " * 101, 201, "more than 100 conditions"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place_and_what_to_do(text: str, at: int, words: str) -> None:
    with pytest.raises(FilterInvalid) as raised:
        parse_filter(text, TASKS)
    assert words in raised.value.message
    assert raised.value.facts == {"position": str(at)}
    assert raised.value.message.endswith(f"(at character {at} of the filter)")
    assert (raised.value.field, raised.value.reason) == ("filter", "FILTER_INVALID")


def test_a_filter_that_is_too_long_is_not_even_read() -> None:
    with pytest.raises(FilterInvalid, match="at most 2000"):
        parse_filter("a" * 2_001, TASKS)

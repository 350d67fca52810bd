"""docs/filters.md: every example finds what it says, or is refused as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from windlass.core.fields import AUDIT, CARDS, TASKS, Section
from windlass.core.filters import parse_filter
from windlass.core.orders import parse_order
from windlass.errors import FilterInvalid
from windlass.store.port import Store

from tests.contract.facts import ask, claim, node_of, said, stored

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text()


def examples(language: str) -> list[str]:
    """The lines of the page's blocks of this language, without their comments."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s{2,}#.*", "", line) for block in blocks for line in block.splitlines()]


async def some_of_everything(store: Store) -> None:
    node = await node_of(store)
    [first] = await stored(store, title="Backup of db-1", priority=12)
    await claim(store, node)
    labels = '{"tenant": "acme", "app.example.org/part": "web"}'
    payload = '{"host": "db-1", "retries": 3, "tags": ["nightly"]}'
    await stored(store, title="Backup nightly", priority=11, retry_pause=90.0, parent=first)
    held = await claim(store, node, 1)
    await store.queue.say(node, [said(one) for one in held])
    await stored(store, kind="ExecuteScript", delay=3_600.0, labels=labels, payload=payload)
    [canceled] = await stored(store, priority=50)
    held = await claim(store, node, 1)
    await store.queue.say(node, [said(one) for one in held])
    await ask(store, canceled)
    await stored(store, initiator="eve", pool="other")
    assert first == 1


async def test_every_example_finds_some_tasks_and_leaves_others(store: Store) -> None:
    await some_of_everything(store)
    everything = {facts.id for facts in (await store.library.active(1_000, None)).items}
    lines = examples("filter")
    assert len(lines) > 15
    for line in lines:
        found = set(await store.library.ids_matching(parse_filter(line, TASKS), Section.ACTIVE, 0, 1_000))
        if "create_time" in line:
            assert found == (everything if "ago" in line else set()), line
        else:
            assert set() < found < everything, line


def test_the_forms_that_are_said_to_be_the_same_are_the_same() -> None:
    first, *others = (parse_filter(line, TASKS).condition for line in examples("same"))
    assert len(others) == 2
    assert others == [first, first]


def test_examples_of_the_audit_log_and_of_orders_can_be_read() -> None:
    for line in examples("audit"):
        assert parse_filter(line, AUDIT).condition is not None
    for line in examples("order"):
        assert parse_order(line, CARDS).terms


@pytest.mark.parametrize("line", examples("refused"))
def test_what_is_said_to_be_refused_is_refused(line: str) -> None:
    with pytest.raises(FilterInvalid):
        parse_filter(line, TASKS)


@pytest.mark.parametrize("fields", [TASKS, CARDS, AUDIT])
def test_every_field_and_every_choice_is_named_on_the_page(fields: object) -> None:
    assert isinstance(fields, type(TASKS))
    for name, field in fields.by_name.items():
        assert f"`{name}`" in PAGE, name
        assert all(choice in PAGE for choice in field.choices), name

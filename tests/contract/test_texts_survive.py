"""The Store contract: every text comes back as it went in, whatever it holds."""

from __future__ import annotations

import json
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from windlass.core.lifecycle import Verdict
from windlass.core.sequence import STARTED, sequence
from windlass.store.facts import Asked, Chunk, Line, Said
from windlass.store.port import Store

from tests.contract.facts import ask, claim, ended, events_of, facts_of, new_task, node_of, running, state_of

STEP, OUTPUT = 3, 5

# What PostgreSQL can't keep (NUL, halves of surrogate pairs) never reaches a store: admission and `clean` see to it.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
nasty = st.text(st.sampled_from("\"\\{},' \n\t\r\x01NULLé😀\u2028"), max_size=12)
some = st.lists(texts | nasty, min_size=1, max_size=12)
hard = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@hard
@given(some)
@example(["", "NULL", "null", '"', "\\", '\\"', "{", "}", "{}", ",", "a,b", "\n", " ", "'", "\\x41", "%(tasks)s", "$1"])
async def test_what_was_asked_survives(store: Store, words: list[str]) -> None:
    tasks = [
        new_task(
            kind=word,
            title=word,
            pool=word,
            trigger=word,
            initiator=word,
            labels=json.dumps({word: word}),
            payload=json.dumps([word]),
        )
        for word in words
    ]
    for word, receipt in zip(words, await store.queue.enqueue(tasks), strict=True):
        facts = await facts_of(store, receipt.task)
        assert (facts.kind, facts.title, facts.pool, facts.trigger, facts.initiator) == (word,) * 5
        assert json.loads(facts.labels) == {word: word}
        assert json.loads(facts.payload or b"") == [word]


@hard
@given(some)
@example(["", "NULL", "null", '"', "\\", '\\"', "{", "}", "{}", ",", "a,b", "\n", " ", "'", "\\x41", "%(tasks)s", "$1"])
async def test_what_was_said_survives(store: Store, words: list[str]) -> None:
    node = await node_of(store)
    await store.queue.enqueue([new_task() for _ in words])
    claimed = await claim(store, node)
    await store.queue.say(
        node,
        [
            Said(
                one.id,
                one.attempt,
                0.0,
                stage=word,
                lines=(Line(sequence(1, 1), 0.0, STEP, word, json.dumps({word: word})),),
                chunks=(Chunk(sequence(1, 2), 0.0, 1, word.encode()),),
            )
            for one, word in zip(claimed, words, strict=True)
        ],
    )
    for one, word in zip(claimed, words, strict=True):
        assert (await facts_of(store, one.id)).stage == word
        step, output = (await events_of(store, one.id, sequence(1, STARTED)))[:2]
        assert (step.text, json.loads(step.data or b"")) == (word, {word: word})
        assert output.data == word.encode()
    await store.queue.finish(
        node,
        [
            ended(one, Verdict.FAILED, message=word, result=json.dumps([word]))
            for one, word in zip(claimed, words, strict=True)
        ],
    )
    for one, word in zip(claimed, words, strict=True):
        facts = await facts_of(store, one.id)
        assert (facts.message, json.loads(facts.result or b"")) == (word, [word])


@hard
@given(texts | nasty, texts | nasty)
async def test_who_interrupted_and_why_survives(store: Store, by: str, reason: str) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id, by, reason)
    assert await store.queue.interrupts(node) == [Asked(claimed.id, by, reason)]
    await store.queue.finish(node, [ended(claimed, Verdict.CANCELED)])
    assert (await facts_of(store, claimed.id)).message == f"interrupted by {by}" + (f": {reason}" if reason else "")


@pytest.mark.parametrize("value", ["1e400", "-0.0", "12345678901234567890123", '{"a":1,"a":2}', "[1.10]"])
async def test_numbers_and_doubled_keys_are_kept_as_json_means_them(store: Store, value: str) -> None:
    [receipt] = await store.queue.enqueue([new_task(payload=value, request_id=uuid4(), body_hash=b"x")])
    kept = (await facts_of(store, receipt.task)).payload
    assert _exact(kept or b"") == _exact(value)
    assert (await state_of(store, receipt.task)).name == "PENDING"


def _exact(text: str | bytes) -> object:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)

"""The Library contract: what filters, orders and scopes mean where it matters most."""

from __future__ import annotations

import pytest
from windlass.core.fields import AUDIT, Section
from windlass.core.filters import EVERYTHING, parse_filter
from windlass.core.lifecycle import Verdict
from windlass.core.orders import parse_order
from windlass.core.sequence import sequence
from windlass.store import port
from windlass.store.facts import Chunk
from windlass.store.port import Store

from tests.contract.facts import ask, claim, ended, held, new_task, node_of, said, stored
from tests.contract.test_audit import note

OTHER = frozenset({"other"})


async def found(store: Store, text: str, section: Section = Section.ACTIVE, sorting: str = "id") -> list[int]:
    chosen, order = parse_filter(text, section.fields), parse_order(sorting, section.fields)
    if section is Section.CARDS:
        page = await store.library.cards(1_000, None, None, chosen, order)
    else:
        page = await store.library.active(1_000, None, chosen, order)
    return [facts.id for facts in page.items]


async def test_what_is_unset_is_unlike_everything_and_its_negation_holds(store: Store) -> None:
    node = await node_of(store)
    started = await held(store, node)
    await store.queue.say(node, [said(started, stage="reads")])
    [waits] = await stored(store)
    for text in ("start_time > 2000-01-01", "start_time < 2100-01-01", "stage = reads", "start_time:*", "stage:*"):
        assert await found(store, text) == [started.id], text
        assert await found(store, f"NOT {text}") == [waits], text
    assert await found(store, "parent != 5") == [started.id, waits]
    assert await found(store, 'stage = ""') == [waits]


async def test_a_star_stands_for_anything_and_signs_of_sql_for_themselves(store: Store) -> None:
    titles = ["100%", "100 percent", "a_b", "axb", "back\\slash", "2*3", "2x3"]
    ids = dict(zip(titles, [(await stored(store, title=title))[0] for title in titles], strict=True))

    async def titled(text: str) -> set[str]:
        hits = await found(store, text)
        return {title for title, id_ in ids.items() if id_ in hits}

    assert await titled('title = "100*"') == {"100%", "100 percent"}
    assert await titled('title = "100%"') == {"100%"}
    assert await titled("title = a_*") == {"a_b"}
    assert await titled('title:"0%"') == await titled('title = "1*0%"') == {"100%"}
    assert await titled('title:"_"') == {"a_b"}
    assert await titled(r'title = "back\\slash"') == {"back\\slash"}
    assert await titled(r'title = "2\*3"') == {"2*3"}
    assert await titled('title = "2*3"') == {"2*3", "2x3"}
    assert await titled('title:"PERCENT"') == {"100 percent"}


@pytest.mark.parametrize("hostile", ["'; drop table windlass.task; --", "%(f0)s", "{condition}", "%s", "$1", "\\"])
async def test_words_of_a_filter_are_never_words_of_a_question(store: Store, hostile: str) -> None:
    [plain] = await stored(store)
    [task] = await stored(store, title=hostile, labels='{"k": "v"}')
    quoted = '"' + hostile.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert await found(store, f"title = {quoted}") == [task]
    assert await found(store, f"title:{quoted}") == [task]
    assert await found(store, f"labels.{quoted} = {quoted}") == []
    assert await found(store, f"payload.{quoted}.{quoted}:*") == []
    assert await found(store, f"NOT node = {quoted}") == [plain, task]


async def test_what_is_unset_is_sorted_last_and_first_when_descending(store: Store) -> None:
    node = await node_of(store)
    started = [await held(store, node) for _ in range(2)]
    for one in started:
        await store.queue.say(node, [said(one)])
    waiting = await stored(store, 2)
    first, second = (one.id for one in started)
    assert await found(store, "", sorting="start_time") == [first, second, *waiting]
    assert await found(store, "", sorting="start_time desc, id") == [*waiting, second, first]


async def test_only_tasks_of_the_callers_pools_exist_for_it(store: Store) -> None:
    node = await node_of(store)
    for pool in ("default", "other"):
        await stored(store, pool=pool)
    [mine] = await stored(store, pool="other")
    claimed = [*await claim(store, node, 1), *await claim(store, node, 1, pool="other")]
    await store.queue.finish(node, [ended(one, result="{}") for one in claimed])
    theirs, ours = (one.id for one in claimed)
    library = store.library
    assert [facts.id for facts in (await library.active(10, None, pools=OTHER)).items] == [mine]
    assert [facts.id for facts in (await library.cards(10, None, pools=OTHER)).items] == [ours]
    assert (await library.active(10, None, pools=frozenset({"none"}))).items == ()
    assert await library.task(theirs, OTHER) is None
    assert await library.card(theirs, OTHER) is None
    assert (await library.task(ours, OTHER)) == await library.task(ours)
    assert (await library.card(ours, OTHER)) == await library.card(ours)
    assert await library.ids_matching(EVERYTHING, Section.ENDED, 0, 10, OTHER) == [ours]
    assert await library.count_matching(EVERYTHING, Section.CARDS, pools=OTHER) == 1


async def test_ids_come_in_order_from_an_id_on_and_are_counted_up_to_a_cap(store: Store) -> None:
    ids = await stored(store, 7, title="x")
    await stored(store, 3)
    ended_ = await stored(store, 2, title="x")
    for task in ended_:
        await ask(store, task)
    chosen = parse_filter("title = x", Section.ACTIVE.fields)
    assert await store.library.ids_matching(chosen, Section.ACTIVE, ids[1], 3) == ids[2:5]
    assert await store.library.ids_matching(chosen, Section.ENDED, 0, 10) == ended_
    assert await store.library.count_matching(chosen, Section.ACTIVE) == 7
    assert await store.library.count_matching(chosen, Section.ACTIVE, 6) == 7
    assert await store.library.count_matching(chosen, Section.ACTIVE, 3) == 4


async def test_output_comes_by_attempt_and_stream_and_its_pages_are_bounded_in_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("windlass.store.postgres.library", "windlass.store.memory.library"):
        monkeypatch.setattr(f"{module}.MOST_OUTPUT_BYTES", 10)
    node = await node_of(store)
    claimed = await held(store, node)
    numbers = [sequence(1, n) for n in (10, 11, 12, 13)]
    data = zip(numbers, (1, 2, 1, 1), (b"123456", b"abcdef", b"7", b"x" * 100), strict=True)
    chunks = tuple(Chunk(number, 0.0, stream, text, dropped=number % 10) for number, stream, text in data)
    await store.queue.say(node, [said(claimed, chunks=chunks)])
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY)])
    [again] = await claim(store, node)
    await store.queue.say(node, [said(again, chunks=(Chunk(sequence(2, 10), 0.0, 1, b"8"),))])
    task, output = claimed.id, store.library.output

    async def read(size: int, attempt: int | None = None, stream: int | None = None) -> list[list[bytes | None]]:
        pages, after = [], 0
        while True:
            page = await output(task, after, size, attempt, stream)
            pages.append([one.data for one in page.items])
            if page.after is None:
                return pages
            (after,) = page.after

    assert await read(10) == [[b"123456", b"abcdef"], [b"7", b"x" * 100], [b"8"]]
    assert await read(1, stream=2) == [[b"abcdef"]]
    assert await read(10, attempt=2) == [[b"8"]]
    assert await read(1, attempt=1, stream=1) == [[b"123456"], [b"7"], [b"x" * 100]]
    assert await read(10, attempt=3) == [[]]
    [first, *_] = (await output(task, 0, 10)).items
    assert (first.sequence, first.stream, first.dropped, first.at is not None) == (numbers[0], 1, 0, True)
    assert port.MOST_OUTPUT_BYTES * 2 < 4 * 1024 * 1024


async def test_the_audit_log_is_read_by_filter(store: Store) -> None:
    ids = await stored(store, 4)
    for task, reason in zip(ids, ("late", "it is LATE", "", "late"), strict=True):
        await store.queue.reprioritize(task, 9, note(f"tasks/{task}", reason))
    asked = parse_filter('method:interrupt role = OPERATOR AND reason:"late" AND time > ago(1h)', AUDIT)
    page = await store.audit.entries(2, None, asked)
    assert [entry.note.resource for entry in page.items] == [f"tasks/{ids[3]}", f"tasks/{ids[1]}"]
    assert page.after is not None
    rest = await store.audit.entries(2, page.after[0], asked)
    assert [entry.note.resource for entry in rest.items] == [f"tasks/{ids[0]}"]
    assert rest.after is None
    for text, hits in {"subject != ada": 0, f"resource = tasks/{ids[2]}": 1, "role = ADMIN": 0, "-reason:*": 1}.items():
        assert len((await store.audit.entries(10, None, parse_filter(text, AUDIT))).items) == hits, text


async def test_a_list_of_its_own_order_walks_on_from_where_it_was_with_a_filter(store: Store) -> None:
    node = await node_of(store)
    await store.queue.enqueue([new_task(title="ab"[n % 2], priority=n % 3) for n in range(12)])
    await claim(store, node, 5)
    chosen = parse_filter("title = a", Section.ACTIVE.fields)
    whole = [facts.id for facts in (await store.library.active(100, None)).items if facts.title == "a"]
    walked: list[int] = []
    after = None
    while True:
        page = await store.library.active(2, after, chosen)
        walked += [facts.id for facts in page.items]
        after = page.after
        if after is None:
            break
        assert len(page.items) == 2
    assert walked == whole


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("payload.v = 1", {"1"}),
        ("payload.v = 1.0", {"1"}),
        ("payload.v = true", {"true"}),
        ("payload.v = false", set()),
        ('payload.v = "1"', {'"1"'}),
        ('payload.v = "true"', {'"true"'}),
        ('payload.v = "t*"', {'"true"'}),
        ("payload.v < 5", {"1"}),
        ('payload.v < "5"', {'"1"'}),
        ("payload.v:1", {"1", '[1, "x"]'}),
        ('payload.v:"x"', {'[1, "x"]'}),
        ('payload.v:"?x*"', set()),
        ('payload.v:"*x"', {'[1, "x"]'}),
        ("payload.v:true", {"true"}),
        ("payload.v.x = 1", {'{"x": 1}'}),
        ("payload.v.0 = 1", set()),
        ("NOT payload.v:*", {"null"}),
        ("payload:v", {"1", "true", '"1"', '"true"', '[1, "x"]', '{"x": 1}'}),
    ],
)
async def test_json_is_compared_with_its_own_kind_only(store: Store, text: str, hits: set[str]) -> None:
    values = ["1", "true", '"1"', '"true"', '[1, "x"]', '{"x": 1}', "null"]
    ids = [(await stored(store, payload=f'{{"v": {value}}}'))[0] for value in values]
    found_ = await found(store, text)
    assert {value for value, id_ in zip(values, ids, strict=True) if id_ in found_} == hits

"""The kind Check in the harness: what its card says, what is remembered, and who is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import windlass_checks
from windlass import Concurrency, HealthSection
from windlass.host.documents import LiveDocuments
from windlass.store.port import Store
from windlass.testing import Harness, OperationRejected, Rung, check_handler_keeps_contract
from windlass_checks import CheckHandler, ChecksSettings, records
from windlass_checks.handler import Check
from windlass_checks.health import section
from windlass_checks.judging import Result, Rules, Shown, fold
from windlass_checks.probes import Disk, Tcp
from windlass_checks.records import About, Stored
from windlass_checks.settings import TransitionTask
from windlass_checks.transitions import child_of

from tests.plugins.checks.servers import http, page, serving, silence

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ABOUT = About("tcp", "db.example:5432", "look at its log", 60.0, 10.0)


def said(found: HealthSection | None) -> HealthSection:
    assert found is not None
    return found


async def known(harness: Harness) -> Stored:
    stored = await records.read(harness.documents, "db")
    assert stored is not None
    return stored


def site(served, **fields) -> dict:
    probe = {"type": "http", "url": f"http://127.0.0.1:{served.port}/"}
    return {"name": "site", "probe": probe, "fail_after": 2} | fields


def of(*checks: dict) -> dict:
    return {"checks": {"check": list(checks)}}


async def test_a_check_that_finds_something_down_has_succeeded():
    async with serving(silence) as gone:
        pass
    async with Harness(windlass_checks, settings={"checks": {"allow": ["127.0.0.0/8"]}}) as harness:
        run = await harness.run("Check", {"probe": {"type": "tcp", "host": "127.0.0.1", "port": gone.port}})
        assert await harness.documents.list() == [], "without a name nothing is kept"
    run.assert_succeeded().assert_stages("looking").assert_step("connection refused", ok=False)
    assert (run.result["state"], run.result["verdict"]) == ("down", "connection refused")
    assert run.title == f"check tcp 127.0.0.1:{gone.port}"


async def test_a_check_that_can_not_be_made_fails_and_changes_nothing():
    async with Harness(windlass_checks) as harness:
        run = await harness.run("Check", {"probe": {"type": "tcp", "host": "127.0.0.1", "port": 1}, "name": "me"})
        run.assert_failed("127.0.0.1:1: 127.0.0.1: this machine itself may not be checked from a payload")
        (await harness.run("Check", {"check": "sit"})).assert_failed("there is no 'sit' in this node's configuration")
        assert await harness.documents.list() == []


async def test_a_configured_check_goes_down_and_up_and_its_card_says_so():
    task = {"kind": "Notify", "payload": {"text": "{message}", "nested": [{"to": "{after}"}], "script": "x {verdict}"}}
    async with http(page(), page(), page("500 Oops"), page("500 Oops"), page()) as served:
        settings = {"checks": {"check": [site(served)], "on_transition": task}}
        async with Harness(windlass_checks, settings=settings) as harness:
            runs = [await harness.run("Check", {"check": "site"}) for _ in range(5)]
            known = await harness.call("show", {"name": "site"})
            listed = await harness.call("list", {})
    assert [run.result["state"] for run in runs] == ["up", "up", "up", "down", "up"]
    assert runs[0].title == "check site"
    runs[0].assert_step("up since ").assert_children()
    assert len(runs[1].steps) == 1, "nothing changed"
    down = runs[3].assert_step("UTC after 2 failures: 500 Internal Server Error", before="up", after="down")
    [child] = down.children
    assert child.payload["text"].startswith("site is down since ")
    assert child.payload["nested"] == [{"to": "down"}]
    assert child.payload["script"] == "x {verdict}", "a stranger's words get into no script"
    assert child.wishes["labels"] == {"check": "site", "before": "up", "after": "down"}
    assert child.wishes["title"] == "site is down"
    down.assert_step("made task ")
    [back] = runs[4].children
    assert back.wishes["labels"]["after"] == "up"
    assert [result["ok"] for result in known["history"]] == [True, True, False, False, True]
    [standing] = listed["checks"]
    assert (standing["name"], standing["state"], standing["is_configured"]) == ("site", "up", True)
    assert [value is None for value in standing["recent"]] == [False, False, True, True, False]


async def test_a_name_of_the_configuration_is_not_for_others():
    async with (
        http(page()) as served,
        Harness(windlass_checks, settings={"checks": {"check": [site(served)]}}) as harness,
    ):
        run = await harness.run("Check", {"probe": {"type": "ping", "host": "8.8.8.8"}, "name": "site"})
        run.assert_failed("'site' is a check of the configuration; take another name")
        (await harness.run("Check", {"check": "site"})).assert_succeeded()


async def test_a_warning_is_told_and_kept():
    stored = Stored(shown="up", last=Result(at=NOON, ok=True, verdict="200 OK", warning="certificate ends in 3 days"))
    lines = said(section({"site": stored}, NOON)).lines
    assert [(line.name, line.value, line.is_alarming) for line in lines] == [
        ("site", "certificate ends in 3 days", True)
    ]


async def test_an_interrupt_ends_it_and_nothing_is_recorded():
    async with serving(silence) as served, Harness(windlass_checks, settings=of(site(served))) as harness:
        run = await harness.run("Check", {"check": "site"}, interrupt_after=0.2, within=9)
        assert await harness.documents.list() == []
    run.assert_canceled(by=Rung.ASKED)
    assert run.seconds < 3


async def test_an_attempt_after_a_crash_records_its_task_once():
    """The first attempt dies right after the state was put: the second tells of it, and makes the task for it."""
    async with serving(silence) as gone:
        pass
    probe = {"type": "tcp", "host": "127.0.0.1", "port": gone.port}
    settings = {
        "checks": {"check": [{"name": "db", "probe": probe, "fail_after": 1}], "on_transition": {"kind": "Notify"}}
    }
    async with Harness(windlass_checks, settings=settings) as harness:
        first = await harness.run("Check", {"check": "db"})
        stored = await known(harness)
        again = Again(first.task, harness.documents)
        handler = harness.kinds["Check"]
        outcome: Any = await cast("Any", handler.run(again, handler.payload_type(check="db")))
        assert (await records.read(harness.documents, "db")) == stored
    assert outcome.result["state"] == "down"
    assert again.made == [("Notify", "transition")]
    assert any("down since" in step for step in again.steps)
    assert not any("looking" in stage for stage in again.stages)


class Again:
    """A second attempt of a task, as its handler sees it."""

    def __init__(self, task: int, documents) -> None:
        self.task = type("Task", (), {"id": task, "attempt": 2})
        self.documents = documents
        self.cancelled = asyncio.Event()
        self.steps: list[str] = []
        self.stages: list[str] = []
        self.made: list[tuple[str, str]] = []

    async def stage(self, name: str) -> None:
        self.stages.append(name)

    async def step(self, text: str, **data) -> None:
        self.steps.append(text)

    async def enqueue(self, kind: str, payload=None, **wishes) -> int:
        self.made.append((kind, wishes["name"]))
        return 7


# --- what is remembered


def result(ok: bool, second: float, task: int) -> Result:
    return Result(at=NOON + timedelta(seconds=second), ok=ok, verdict="x", response_ms=1.0, task=task)


async def test_results_at_once_are_all_kept_and_the_newest_one_counts(store: Store):
    documents = LiveDocuments(store.documents, "checks", "the tests")
    results = [result(number % 3 != 0, number, number) for number in range(1, 13)]
    rules = Rules(fail_after=1, flap_changes=50)
    await asyncio.gather(*(records.record(documents, "db", one, rules, ABOUT) for one in reversed(results)))
    stored = await records.read(documents, "db")
    assert [one.task for one in await records.history(documents, "db")] == list(range(1, 13))
    assert stored is not None
    assert (stored.last, stored.shown) == (results[-1], "down")


async def test_the_history_ends_after_a_hundred():
    async with Harness(windlass_checks) as harness:
        for number in range(105):
            await records.record(harness.documents, "db", result(True, number, number), Rules(), ABOUT)
        kept = await records.history(harness.documents, "db")
        assert [one.task for one in kept] == list(range(5, 105))
        stored = await known(harness)
        assert len(stored.recent) == 24


# --- operations


async def test_checks_are_listed_by_pages_with_those_nobody_looked_at_yet():
    probe = {"type": "tcp", "host": "db.example", "port": 5432}
    checks = [{"name": name, "probe": probe} for name in ("b", "d", "f")]
    async with Harness(windlass_checks, settings={"checks": {"check": checks}}) as harness:
        for number, name in enumerate(("a", "b", "c", "e")):
            for _ in range(2):
                found = result(name != "c", number, number)
                await records.record(harness.documents, name, found, Rules(fail_after=1), ABOUT)
        seen, after = [], ""
        while True:
            answer = await harness.call("list", {"limit": 2, "after": after})
            seen += [(one["name"], one["state"], one["is_configured"]) for one in answer["checks"]]
            if not (after := answer["next"]):
                break
        down = await harness.call("list", {"state": "down"})
    assert seen == [
        ("a", "up", False),
        ("b", "up", True),
        ("c", "down", False),
        ("d", "unknown", True),
        ("e", "up", False),
        ("f", "unknown", True),
    ]
    assert [one["name"] for one in down["checks"]] == ["c"]


async def test_a_check_is_run_and_forgotten_by_its_name():
    probe = {"type": "tcp", "host": "db.example", "port": 5432}
    async with Harness(windlass_checks, settings={"checks": {"check": [{"name": "db", "probe": probe}]}}) as harness:
        answer = await harness.call("run", {"name": "db"})
        made = harness.made[-1]
        assert (made.kind, made.payload, made.coalesce_key) == ("Check", {"check": "db"}, "check db")
        assert answer == {"name": "db", "task": made.task}
        await records.record(harness.documents, "db", result(True, 0, 1), Rules(), ABOUT)
        assert (await harness.call("show", {"name": "db"}))["check"]["state"] == "up"
        await harness.call("forget", {"name": "db"})
        assert await harness.documents.list() == []
        shown = await harness.call("show", {"name": "db"})
        assert (shown["check"]["verdict"], shown["history"]) == ("not looked at yet", [])
        for operation, words in (
            ("run", "did you mean db?"),
            ("show", "did you mean db?"),
            ("forget", "nothing is known"),
        ):
            with pytest.raises(OperationRejected, match=words):
                await harness.call(operation, {"name": "dbx"})


async def test_what_nobody_has_looked_at_is_looked_at_when_a_server_starts(store: Store):
    probe = {"type": "tcp", "host": "db.example", "port": 5432}
    checks = [{"name": name, "probe": probe} for name in ("db", "shop")] + [
        {"name": "disk", "probe": {"type": "disk", "path": "/"}, "pool": "agent:web-01"}
    ]
    harness = Harness(windlass_checks, settings=of(*checks))
    await records.record(harness.documents, "shop", result(True, 0, 1), Rules(), ABOUT)
    async with harness:
        made = [(one.payload, one.trigger, one.initiator) for one in harness.made]
    assert made == [({"check": "db"}, "startup", "Scheduler")]


# --- the overview


async def test_the_overview_counts_them_and_names_those_that_need_a_look():
    def stored(shown: Shown, seconds: float, **fields) -> Stored:
        last = Result(at=NOON - timedelta(seconds=seconds), ok=shown == "up", verdict="connection refused")
        since = NOON - timedelta(minutes=12)
        return Stored(shown=shown, since=since, last=last, advice="look at its log", every=60.0, timeout=10.0, **fields)

    checks = {
        "db": stored("down", 5),
        "gone": stored("up", 1_000),
        "shop": stored("flapping", 5),
        "site": stored("up", 5),
    }
    found = said(section(checks, NOON))
    assert found.summary == "1 up, 1 down, 1 flapping, 1 overdue"
    assert [(line.name, line.value) for line in found.lines] == [
        ("db", "down for 12 min: connection refused; look at its log"),
        ("shop", "flapping for 12 min: connection refused; look at its log"),
        ("gone", "nothing heard for 16 min, last up: is its schedule paused, or is it no more (checks.forget)?"),
    ]
    assert all(line.is_alarming for line in found.lines)
    assert section({}, NOON) is None


async def test_the_overview_reads_what_is_kept():
    async with Harness(windlass_checks) as harness:
        assert await harness.health() is None
        now = datetime.now(UTC)
        for number in range(150):
            found = Result(at=now, ok=True, verdict="fine", task=number)
            await records.record(harness.documents, f"check-{number}", found, Rules(), ABOUT)
        assert said(await harness.health()).summary == "150 up"


def test_the_first_time_that_something_is_up_makes_no_task():
    state = fold(Stored(), result(True, 0, 1), Rules())
    assert state.transition is not None
    assert child_of("db", TransitionTask(kind="Notify"), state.transition) is None
    assert child_of("db", None, state.transition) is None
    down = fold(Stored(), result(False, 0, 1), Rules(fail_after=1)).transition
    assert down is not None
    child = child_of("db", TransitionTask(kind="Notify"), down)
    assert child is not None
    assert child.kind == "Notify"


def test_check_keeps_the_contract_of_handlers():
    probe = {"type": "tcp", "host": "127.0.0.1", "port": 9}
    handler = CheckHandler(ChecksSettings(allow=["127.0.0.1"]))
    payloads = [{"probe": probe}, {"probe": probe, "name": "discard"}, {"probe": {"type": "disk", "path": "/"}}]
    misfits = [{}, {"check": "none"}, {"probe": {"type": "tcp"}}, {"probe": probe | {"host": "10.0.0.1"}}]
    check_handler_keeps_contract(handler, payloads, misfits=misfits, real_time=True)


def test_what_is_asked_twice_is_looked_at_once():
    handler = CheckHandler(ChecksSettings())
    asked = handler.payload_type
    assert handler.coalesce_key(asked(check="site")) == "check site"
    assert handler.concurrency(asked(check="site")) is None
    foreign = asked(probe=Disk(path="/"))
    site = asked(check="site")
    assert handler.merge(site, foreign) == site, "nobody puts a probe of his in the place of a configured check"
    assert handler.merge(foreign, site) == site
    assert handler.merge(foreign, asked(probe=Disk(path="/data"))).probe == Disk(path="/data")
    probe = Tcp(host="a", port=1)
    assert handler.coalesce_key(asked(probe=probe, name="x")) is None
    assert handler.concurrency(asked(probe=probe, name="x")) == Concurrency("check x")
    assert handler.concurrency(asked(probe=probe)) is None
    assert Check("x", probe, Rules(), is_ours=False).about.target == "a:1"

"""The plugin on a real node, with its schedules: whose the backups are that nobody asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from windlass import Role
from windlass.config import NodeConfig
from windlass.core.lifecycle import State
from windlass.errors import BootError, RoleTooLow
from windlass.host.admission import Caller, Request
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.store.facts import TaskFacts, Watched

from tests.waiting import eventually

TWO_DAYS_LATER = """
update windlass.schedule
set since = now() - interval '2 days', created_at = now() - interval '2 days', next_at = now(), turn = turn + 1
where name = 'backups.home.disk'
"""


def loaded(settings):
    return load_plugins(settings, {"backups": "windlass_backups"}, installed=False)


@pytest.fixture
def settings(place):
    (place.path / "home").mkdir()
    (place.path / "home" / "file").write_text("x")
    source = {"type": "directory", "path": str(place.path / "home"), "every": "24h", "verify_cron": "0 5 * * 0"}
    return place.settings({"home": source})


@pytest_asyncio.fixture
async def kernel(store, settings) -> AsyncIterator[Kernel]:
    kernel = Kernel(store, loaded(settings), NodeConfig(drain_grace=0.2))
    await kernel.start()
    yield kernel
    await kernel.drain()
    await kernel.stop()


async def test_a_scheduled_backup_is_the_schedulers(kernel, store, dsn, place):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TWO_DAYS_LATER)

    async def look() -> TaskFacts | None:
        [tick, *_] = (await kernel.timetable.ledger("backups.home.disk", 10)).items or [None]
        facts = await store.library.task(tick.task) if tick is not None and tick.task is not None else None
        return facts if facts is not None and facts.state.final else None

    task = await eventually(look, 30)
    assert task is not None
    assert (task.state, task.kind, task.initiator, task.trigger) == (State.COMPLETED, "Backup", "Scheduler", "schedule")
    assert task.title == "back up home to disk"
    assert place.manifest("home")["initiator"] == "Scheduler"
    steps = [event.text for event in (await store.library.events([Watched(task.id, 0)], 1_000))[task.id]]
    assert any("home/2" in text and "is on disk" in text for text in steps), steps


async def test_who_may_only_submit_makes_no_backups(kernel):
    submitter = Caller("sam", 1, role=Role.SUBMITTER)
    for kind in ("Backup", "VerifyBackup"):
        with pytest.raises(RoleTooLow):
            kernel.admission.admit(Request(kind=kind, payload=b'{"source": "home"}'), submitter)


async def test_its_schedules_are_its_own_and_their_texts_are_checked_at_the_start(kernel, store, settings):
    names = [facts.schedule.name for facts in (await kernel.timetable.list(100)).items]
    assert names == ["backups.home.disk", "backups.verify.home.disk"]
    settings["backups"]["sources"]["home"]["verify_cron"] = "daily"
    other = Kernel(store, loaded(settings), NodeConfig())
    with pytest.raises(BootError, match=r"schedule backups\.verify\.home\.disk: cron 'daily' has 1 fields"):
        await other.start()
    await other.stop()

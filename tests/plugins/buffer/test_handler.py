"""The kind DrainBuffer: in a worker process as on a node, beside another one, and doing nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import windlass_buffer
from windlass import Settings
from windlass.core.residents import check_residents
from windlass.testing import Harness, Rung, State
from windlass_buffer import BufferSettings, DrainBuffer

from tests.plugins.buffer.drains import Field
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]


def table(field: Field) -> dict[str, Any]:
    return {"buffer": {"site": [field.place], **field.numbers}}


async def test_it_drains_in_a_worker_process_and_an_interrupt_ends_it_clean(field: Field) -> None:
    entries = [field.entry() for _ in range(20)]
    field.push(*entries)
    async with Harness(windlass_buffer, settings=table(field)) as harness:
        running = asyncio.create_task(harness.run("DrainBuffer", {"site": field.site}, interrupt_after=4.0))
        await eventually(field.is_empty)
        assert field.status(entries[-1].id).state == "applied"
        run = await running
    run.assert_canceled(by=Rung.ASKED)
    assert [stage.name for stage in run.stages] == ["waiting for transactions", "draining"]
    assert "20 transactions applied in 1 commits" in [step.text for step in run.steps]
    assert [number for _, number in field.effects()] == list(range(1, 21))
    assert field.redis.zcard(field.keys.drainers) == 0


async def test_at_its_end_it_says_what_it_did_and_the_next_one_goes_on(field: Field) -> None:
    field.push(field.entry(), b"garbage")
    handler = DrainBuffer(field.settings, run_seconds=0.5)
    async with Harness(handler) as harness:
        counts = {"site": field.site, "applied": 1, "dead": 1, "failed_attempts": 0, "commits": 1}
        (await harness.run("DrainBuffer", {"site": field.site})).assert_succeeded(counts)
        field.push(field.entry())
        (await harness.run("DrainBuffer", {"site": field.site})).assert_succeeded(counts | {"dead": 0})


async def test_beside_a_drainer_that_lives_it_warns_and_does_nothing(field: Field) -> None:
    with field.draining():
        await eventually(lambda: field.redis.zcard(field.keys.drainers))
        async with Harness(DrainBuffer(field.settings)) as harness:
            run = await harness.run("DrainBuffer", {"site": field.site}, trigger="api")
        run.assert_succeeded()
        [warning] = [step.text for step in run.steps if "drained already" in step.text]
        assert warning.startswith(f"warning: {field.site} is drained already, by 7-1-")
        field.push(field.entry())
        await eventually(field.effects)


async def test_a_site_nobody_knows_is_refused_and_a_secret_that_is_not_there_is_waited_for(
    field: Field, tmp_path: Path
) -> None:
    async with Harness(DrainBuffer(field.settings)) as harness:
        (await harness.run("DrainBuffer", {"site": "other"})).assert_failed(f"it knows {field.site}")
    field.place |= {"dsn": "", "dsn_secret": "db"}
    field.numbers["secrets_directory"] = str(tmp_path)
    async with Harness(DrainBuffer(field.settings)) as harness:
        run = await harness.run("DrainBuffer", {"site": field.site})
    assert (run.state, "dsn_secret: db can't be read" in run.message) == (State.PENDING, True)


def test_there_is_a_resident_for_each_site_and_no_crash_puts_it_out(field: Field) -> None:
    sites = [field.place | {"name": name} for name in ("a", "b")]
    own = msgspec.convert({"site": sites}, BufferSettings)
    residents = list(windlass_buffer.windlass_register_residents(Settings({BufferSettings: own})))
    check_residents(residents)
    assert [(one.kind, one.key, one.payload) for one in residents] == [
        ("DrainBuffer", name, {"site": name}) for name in ("a", "b")
    ]
    assert (DrainBuffer.pool, DrainBuffer.executor, DrainBuffer.crash_limit) == ("buffer", "process", 0)


@pytest.mark.calm
def test_an_idle_drainer_takes_less_than_a_hundredth_of_a_core(field: Field) -> None:
    code = """
import sys, threading, types, msgspec
from windlass_buffer import BufferSettings, DrainBuffer
from windlass_buffer.handler import DrainPayload
from tests.plugins.buffer.drains import Heard
settings = msgspec.json.decode(sys.argv[1], type=BufferSettings)
heard = Heard()
heard.cancelled = threading.Event()
heard.task = types.SimpleNamespace(id=7, attempt=1, trigger="resident")
DrainBuffer(settings).run(heard, DrainPayload(settings.site[0].name))
"""
    field.place["replica"] = [{"name": "one", "dsn": field.dsn}]
    field.push(field.entry())
    command = [sys.executable, "-c", code, msgspec.json.encode(field.settings).decode()]
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))
    try:
        field.wait(field.effects, 30)
        began = busy(process)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(5.0)
        used = busy(process) - began
    finally:
        process.kill()
        process.wait()
    assert used <= 0.05, f"{used / 5:.1%} of a core"


def busy(process: subprocess.Popen[bytes]) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system

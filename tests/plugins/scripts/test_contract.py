"""ExecuteScript keeps the contract that every handler is held to, with real processes."""

from __future__ import annotations

import msgspec
import pytest
import windlass_scripts
from windlass.testing import Harness, PayloadInvalid, Rung, check_handler_keeps_contract


def test_execute_script_keeps_the_contract_of_handlers(handler, asked):
    payloads = [asked("echo one; sleep 0.3; echo two"), asked(argv=["true"])]
    misfits = [{}, {"script": ""}, {"script": "x", "timeout": -1}, {"argv": ["no-such-program"]}, {"scirpt": "x"}]
    check_handler_keeps_contract(handler, payloads, misfits=misfits, real_time=True)


async def test_the_harness_runs_the_plugin_with_its_settings(mark, directory):
    settings = {"scripts": {"directory": str(directory), "kill_grace": 0.4, "timeout_max": 60, "timeout": 60}}
    payload = {"script": "echo up; sleep 60", "env": {"MARK": mark}}
    async with Harness(windlass_scripts, settings=settings) as harness:
        run = await harness.run("ExecuteScript", payload, interrupt_at="running", within=30)
        with pytest.raises(PayloadInvalid, match="exactly one of them"):
            await harness.run("ExecuteScript", {})
    run.assert_canceled(by=Rung.ASKED).assert_step("SIGTERM to every process")
    assert msgspec.json.encode(run.result) != b""

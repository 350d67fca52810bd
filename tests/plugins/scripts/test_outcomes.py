"""Each way to end becomes the outcome people expect, with a message that helps in a list."""

import os
import time

import pytest
from windlass import Failed, Rejected, Retry
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings

from tests.plugins.scripts.conftest import GRACE


async def message_of(run) -> str:
    outcome = await run
    assert isinstance(outcome, Retry)
    return outcome.message


async def test_another_exit_code_is_a_retry_that_quotes_the_last_error(handler, ctx, asked):
    outcome = await handler.run(ctx, asked("echo looking; echo 'no such disk' >&2; exit 3"))
    assert isinstance(outcome, Retry)
    assert outcome.message == "exit code 3: no such disk"
    assert outcome.result["exit_code"] == 3
    assert ctx.steps[-1].startswith("exit code 3 after 0.")


async def test_without_an_error_line_the_exit_code_says_it_all(handler, ctx, asked):
    assert await message_of(handler.run(ctx, asked("exit 255"))) == "exit code 255"


async def test_a_script_killed_by_a_signal_is_a_retry_that_names_it(handler, ctx, asked):
    outcome = await handler.run(ctx, asked("kill -SEGV $$"))
    assert isinstance(outcome, Retry)
    assert outcome.message == "killed by SIGSEGV"
    assert (outcome.result["exit_code"], outcome.result["signal"]) == (None, "SIGSEGV")
    assert outcome.result["killed_by"] is None


async def test_a_timeout_is_a_retry_and_says_after_how_long(handler, ctx, asked):
    began = time.monotonic()
    outcome = await handler.run(ctx, asked("echo 'waiting for the tape' >&2; sleep 60", timeout=0.3))
    assert time.monotonic() - began < 0.3 + GRACE + 3
    assert isinstance(outcome, Retry)
    assert outcome.message == "timed out after 0.3 s: waiting for the tape"
    assert outcome.result["killed_by"] == "SIGTERM"
    assert outcome.result["signal"] == "SIGTERM"
    assert ctx.steps[1].startswith("timed out after 0.3 s: SIGTERM to every process")


async def test_the_timeout_of_the_settings_holds_when_the_task_names_none(directory, ctx, asked):
    handler = ExecuteScript(ScriptsSettings(directory=str(directory), timeout=0.2))
    assert await message_of(handler.run(ctx, asked("sleep 60"))) == "timed out after 0.2 s"


async def test_an_interrupt_before_the_start_starts_nothing(handler, ctx, asked, tmp_path):
    ctx.cancelled.set()
    outcome = await handler.run(ctx, asked("touch ran", working_directory=str(tmp_path)))
    assert outcome == Failed("it was not started")
    assert not (tmp_path / "ran").exists()


def _rejections(tmp_path) -> list[tuple[dict, str]]:
    return [
        ({"script": "x", "interpreter": "cobol"}, "interpreter: 'cobol' is not allowed here; allowed: awk, bash, gone"),
        ({"script": "x", "interpreter": "gone"}, "interpreter: no-such-program is not installed in "),
        ({"argv": ["no-such-program"]}, "argv: no program 'no-such-program' in "),
        ({"argv": ["/etc/passwd"]}, "argv: '/etc/passwd' is no executable file"),
        ({"argv": ["/usr"]}, "argv: '/usr' is no executable file"),
        ({"argv": ["bin/x"]}, "argv: 'bin/x' is a relative path"),
        ({"script": "x", "working_directory": "/no/such"}, "working_directory: '/no/such' is no directory"),
        ({"script": "x", "working_directory": "/etc/passwd"}, "working_directory: '/etc/passwd' is no directory"),
        ({"script": "x", "env": {"LD_PRELOAD": "/evil.so"}}, "env: LD_PRELOAD is forbidden here"),
        ({"script": "x", "env": {"A": "", "BASH_ENV": "/evil"}}, "env: BASH_ENV is forbidden here"),
        ({"script": "x", "secrets": {"A": "prod/a"}}, "secrets: A: this host has no secrets; set secrets_directory"),
        ({"script": "x", "timeout": 1e6}, "timeout: 1e+06 s is more than the 86400 s allowed"),
    ]


async def test_what_this_node_cannot_run_is_rejected_with_what_to_change(ctx, directory, tmp_path):
    interpreters = {"sh": ["sh"], "bash": ["bash"], "awk": ["awk", "-f"], "gone": ["no-such-program"]}
    handler = ExecuteScript(ScriptsSettings(directory=str(directory), interpreters=interpreters))
    for fields, message in _rejections(tmp_path):
        with pytest.raises(Rejected) as refusal:
            await handler.run(ctx, ExecuteScriptPayload(**fields))
        assert str(refusal.value).startswith(message)
    assert ctx.stages == []


async def test_a_program_the_system_cannot_execute_is_rejected(handler, ctx, asked, tmp_path):
    for name, content in (("text", "no program at all"), ("lost", "#!/no/such/interpreter\n")):
        program = tmp_path / name
        program.write_text(content)
        program.chmod(0o700)
        with pytest.raises(Rejected, match=f"{name} could not be started: exec: "):
            await handler.run(ctx, asked(argv=[str(program)]))


async def test_a_payload_cannot_smuggle_in_another_interpreter(handler, ctx, asked, tmp_path):
    fake = tmp_path / "sh"
    fake.write_text("#!/bin/sh\necho smuggled\n")
    fake.chmod(0o700)
    await handler.run(ctx, asked("echo real", env={"PATH": f"{tmp_path}:{os.defpath}"}))
    assert ctx.text() == b"real\n"

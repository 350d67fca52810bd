"""Exit codes mean what a task says they mean, and by default only 0 is a success."""

import pytest
from windlass import Failed, Retry, Success

CODES = {"3": "retry", "4-9": "failed", "10": "success"}


@pytest.mark.parametrize(
    ("code", "outcome"), [(0, Success), (1, Retry), (3, Retry), (4, Failed), (9, Failed), (10, Success), (11, Retry)]
)
async def test_each_code_becomes_what_the_task_says(handler, ctx, asked, code, outcome):
    ended = await handler.run(ctx, asked(f"echo 'no such disk' >&2; exit {code}", exit_codes=CODES))
    assert type(ended) is outcome
    assert ended.result["exit_code"] == code
    if outcome is not Success:
        assert ended.message == f"exit code {code}: no such disk"


async def test_the_timeline_says_when_a_code_was_given_a_meaning(handler, ctx, asked):
    await handler.run(ctx, asked("exit 10", exit_codes=CODES))
    assert ctx.steps[-1].startswith("exit code 10, a success by its exit_codes, after 0.")
    await handler.run(ctx, asked("exit 4", exit_codes=CODES))
    assert ctx.steps[-1].startswith("exit code 4, a failure by its exit_codes, after 0.")


async def test_0_may_be_a_failure_and_a_signal_is_never_looked_up(handler, ctx, asked):
    assert isinstance(await handler.run(ctx, asked("true", exit_codes={"0": "failed"})), Failed)
    assert isinstance(await handler.run(ctx, asked("kill -KILL $$", exit_codes={"0-255": "success"})), Retry)


async def test_a_timeout_is_a_retry_whatever_the_codes_say(handler, ctx, asked):
    script = "trap 'exit 4' TERM; while :; do sleep 0.02; done"
    ended = await handler.run(ctx, asked(script, exit_codes={"4": "failed"}, timeout=0.2))
    assert isinstance(ended, Retry)
    assert ended.message.startswith("timed out after 0.2 s")

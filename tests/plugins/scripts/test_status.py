"""What a script says of itself on its status descriptor reaches the timeline, and its output never does."""

import asyncio
import time
import tracemalloc

import pytest
from windlass import Failed, Success
from windlass_scripts.redaction import Redaction
from windlass_scripts.status import AT_ONCE, LONGEST_LINE, Listener

SAYS = """
say() { echo "$1" >&"$WINDLASS_STATUS_FD"; }
"""


def lines(*said: str) -> str:
    return SAYS + "\n".join(f"say '{line}'" for line in said)


async def test_progress_stages_and_steps_come_from_the_descriptor(handler, ctx, asked):
    script = lines(
        '{"stage": "copying"}', '{"progress": [3, 10]}', '{"step": "half way", "data": {"files": 5}}', '{"progress": 7}'
    )
    assert isinstance(await handler.run(ctx, asked(script)), Success)
    assert ctx.stages == ["running", "copying"]
    assert ctx.progresses[-1] == (7, None)
    assert ctx.data[ctx.steps.index("half way")] == {"files": 5}
    assert ctx.text() == b""


async def test_it_comes_while_the_script_still_runs(handler, ctx, asked):
    running = asyncio.create_task(handler.run(ctx, asked(lines('{"progress": [3, 10]}') + "\nsleep 60")))
    await ctx.until(lambda: ctx.progresses == [(3, 10)])
    assert not running.done()
    ctx.cancelled.set()
    assert isinstance(await running, Failed)


async def test_a_python_script_says_it_in_two_lines(handler, ctx, asked):
    script = (
        "import json, os\n"
        "status = os.fdopen(int(os.environ['WINDLASS_STATUS_FD']), 'w')\n"
        "print(json.dumps({'step': 'größe 🐟', 'result': {'n': [1, None]}}), file=status)\n"
    )
    outcome = await handler.run(ctx, asked(script, interpreter="python3"))
    assert "größe 🐟" in ctx.steps
    assert outcome.result["result"] == {"n": [1, None]}


async def test_the_last_result_it_names_is_part_of_its_result(handler, ctx, asked):
    outcome = await handler.run(ctx, asked(lines('{"result": 1}', '{"result": {"rows": 7}}') + "\nexit 3"))
    assert (outcome.message, outcome.result["result"]) == ("exit code 3", {"rows": 7})
    outcome = await handler.run(ctx, asked("true"))
    assert "result" not in outcome.result


async def test_standard_output_is_never_read_for_meaning(handler, ctx, asked):
    await handler.run(ctx, asked("""echo '{"progress": [3, 10]}'; echo '{"stage": "fooled"}' >&2"""))
    assert (ctx.stages, ctx.progresses) == (["running"], [])


async def test_lines_that_are_not_understood_are_counted_and_told_once(handler, ctx, asked):
    script = lines(
        "progress 3", '{"progres": 3}', '{"progress": [null, 3]}', '{"data": {}}', "{}", '{"progress": -1}', ""
    )
    await handler.run(ctx, asked(script + "\nsay '{\"progress\": 1}'"))
    told = [step for step in ctx.steps if "not understood" in step]
    assert told == [
        "6 status lines not understood; the first: progress 3 (JSON is malformed: invalid character (byte 0))"
    ]
    assert ctx.progresses == [(1, None)]


async def test_a_last_line_without_an_end_counts(handler, ctx, asked):
    await handler.run(ctx, asked("""printf '{"step": "whole"}' >&3"""))
    assert "whole" in ctx.steps


async def test_a_line_too_long_is_skipped_and_the_next_one_heard(handler, ctx, asked):
    script = "head -c 300000 /dev/zero | tr '\\0' x >&3; echo >&3; echo '{\"step\": \"after\"}' >&3"
    await handler.run(ctx, asked(script))
    assert "after" in ctx.steps
    (told,) = [step for step in ctx.steps if "not understood" in step]
    assert told.startswith("1 status line not understood; the first: xxx")
    assert told.endswith("… (more than 65536 bytes)")


async def test_a_grandchild_that_holds_it_does_not_hold_the_end(handler, ctx, asked):
    began = time.monotonic()
    script = "(trap '' TERM HUP; exec >/dev/null 2>&1; sleep 600) & echo '{\"step\": \"said\"}' >&3"
    assert isinstance(await handler.run(ctx, asked(script)), Success)
    assert time.monotonic() - began < 3
    assert "said" in ctx.steps


async def test_a_flood_is_thinned_and_ends_promptly(handler, ctx, asked):
    flood = """yes '{"step": "again", "progress": 1}' >&3"""
    running = asyncio.create_task(handler.run(ctx, asked(flood)))
    await ctx.until(lambda: ctx.steps.count("again") >= AT_ONCE)
    began = time.process_time()
    await asyncio.sleep(0.5)
    used = time.process_time() - began
    asked_at = time.monotonic()
    ctx.cancelled.set()
    assert isinstance(await running, Failed)
    assert time.monotonic() - asked_at < 3
    assert ctx.steps.count("again") < AT_ONCE + 50
    assert any(step.startswith("left out ") for step in ctx.steps)
    assert used < 0.25, f"{used:.2f} s of CPU in half a second"


async def test_a_script_that_closes_or_ignores_it_is_none_the_worse(handler, ctx, asked):
    assert isinstance(await handler.run(ctx, asked("exec 3>&-; echo fine")), Success)
    assert not any("status" in step for step in ctx.steps)


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_pieces_of_any_size_make_the_same_lines(ctx, size):
    listener = Listener(ctx, Redaction({}))
    said = b'{"step": "one"}\n\n  {"progress": [1, 2]}\n' + b'"' * (LONGEST_LINE + 1) + b'\n{"stage": "two"}'
    for start in range(0, len(said), size):
        await listener.feed(said[start : start + size])
    await listener.close()
    assert ctx.stages == ["two"]
    assert ctx.progresses == [(1, 2)]
    assert [step[:20] for step in ctx.steps] == ["one", "1 status line not un"]


async def test_a_line_that_never_ends_takes_no_more_memory_than_a_long_one(ctx):
    listener = Listener(ctx, Redaction({}))
    tracemalloc.start()
    for _ in range(200):
        await listener.feed(b"x" * 16_384)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    await listener.close()
    assert peak < 1_000_000


async def test_data_may_have_any_names_but_not_any_size(ctx):
    listener = Listener(ctx, Redaction({}))
    await listener.feed(b'{"step": "s", "data": {"text": 1, "self": 2}}\n')
    await listener.feed(b'{"step": "large", "data": {"a": "%s"}}\n' % (b"x" * 20_000))
    await listener.close()
    assert ctx.steps[0] == "s"
    assert ctx.data[0] == {"data": {"text": 1, "self": 2}}
    assert ctx.steps[1].endswith("(data of more than 16384 bytes)")

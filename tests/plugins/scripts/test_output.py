"""Output comes live, whole and as bytes, in bounded memory, and never holds anything up."""

import asyncio
import os
import resource
import time

import pytest
import windlass_scripts
from windlass import Failed, Success
from windlass.testing import Harness
from windlass_scripts.output import Pump

from tests.plugins.scripts.survivors import gone


async def test_the_first_line_arrives_while_the_script_still_runs(handler, ctx, asked, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    running = asyncio.create_task(handler.run(ctx, asked(f"echo first; read x < {gate}; echo second")))
    await ctx.saw(b"first\n")
    assert ctx.text() == b"first\n"
    assert not running.done()
    gate.write_text("go\n")
    assert isinstance(await running, Success)
    assert ctx.text() == b"first\nsecond\n"


async def test_a_python_script_prints_live_too(handler, ctx, asked):
    running = asyncio.create_task(
        handler.run(ctx, asked("print('first')\nimport time\ntime.sleep(60)", interpreter="python3"))
    )
    await ctx.saw(b"first\n")
    ctx.cancelled.set()
    await running


async def test_bytes_that_are_no_text_pass_unchanged(handler, ctx, asked):
    await handler.run(ctx, asked(r"printf '\377\376\000\001 caf\351\n'"))
    assert ctx.text() == b"\xff\xfe\x00\x01 caf\xe9\n"


@pytest.mark.parametrize("flood", ["yes", "head -c 200000000 /dev/zero | tr '\\0' x; sleep 60"])
async def test_a_flood_stays_in_bounded_memory_and_ends_promptly(handler, ctx, asked, flood):
    seen = 0
    largest = 0

    async def swallow(data: bytes) -> None:
        nonlocal seen, largest
        seen, largest = seen + len(data), max(largest, len(data))
        ctx.chunks.clear()

    ctx.pace = swallow
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    running = asyncio.create_task(handler.run(ctx, asked(flood)))
    await ctx.until(lambda: seen >= (50_000_000 if flood == "yes" else 200_000_000))
    asked_at = time.monotonic()
    ctx.cancelled.set()
    assert isinstance(await running, Failed)
    assert time.monotonic() - asked_at < 3
    assert largest <= 64 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kilobytes


async def test_a_flood_leaves_the_event_loop_to_others(handler, ctx, asked):
    ctx.pace = lambda data: _forget(ctx)
    running = asyncio.create_task(handler.run(ctx, asked("yes")))
    await ctx.saw(b"y\n")
    began, late = time.process_time(), []
    for _ in range(50):
        due = time.monotonic() + 0.01
        await asyncio.sleep(0.01)
        late.append(time.monotonic() - due)
    used = time.process_time() - began
    ctx.cancelled.set()
    await running
    assert sorted(late)[25] < 0.05  # the median: a machine that stalls for a moment proves nothing
    assert used < 0.15, f"{used:.2f} s of CPU in half a second"


async def _forget(ctx) -> None:
    ctx.chunks.clear()


async def test_an_interrupt_works_although_nobody_takes_the_output(handler, ctx, asked, mark):
    """The store may lag for minutes; the script must still be dead in time."""
    stuck = asyncio.Event()
    ctx.pace = lambda data: stuck.wait()
    running = asyncio.create_task(handler.run(ctx, asked("yes")))
    await ctx.until(lambda: len(ctx.steps) == 1)
    ctx.cancelled.set()
    await ctx.until(lambda: len(ctx.steps) == 2)
    assert await asyncio.to_thread(gone, mark)
    stuck.set()
    assert isinstance(await running, Failed)


async def test_a_slow_taker_slows_the_script_and_loses_nothing(handler, ctx, asked):
    ctx.pace = lambda data: asyncio.sleep(0.005)
    await handler.run(ctx, asked("head -c 3000000 /dev/zero; echo end"))
    assert len(ctx.text()) == 3_000_004
    assert ctx.text().endswith(b"end\n")


async def test_what_the_context_raises_ends_the_script_and_reaches_the_kernel_as_it_is(handler, ctx, asked):
    class Superseded(Exception):
        pass

    async def refuse(data: bytes) -> None:
        raise Superseded

    ctx.pace = refuse
    with pytest.raises(Superseded):
        await handler.run(ctx, asked("echo hello; sleep 60"))


@pytest.mark.parametrize(
    ("written", "line"),
    [
        (b"one\ntwo\n\n  \n", "two"),
        (b"", ""),
        (b"\x1b[31mno such disk\x1b[0m\r\n", "no such disk"),
        (b"bell \x07 and title \x1b]0;root\x07 end", "bell and title end"),
        (b"bad \xff byte", "bad \N{REPLACEMENT CHARACTER} byte"),
        (b"\xe2\x80\xaeright to left", "right to left"),
        (b"x" * 10_000, "x" * 499 + "…"),
    ],
)
async def test_the_last_line_is_fit_for_a_list(written, line):
    async def nowhere(data: bytes) -> None: ...

    read_end, write_end = os.pipe()
    os.write(write_end, written)
    os.close(write_end)
    os.set_blocking(read_end, False)
    pump = Pump(read_end, nowhere)
    await pump.run()
    os.close(read_end)
    assert pump.last_line() == line
    assert pump.total == len(written)


async def test_of_too_much_output_head_and_tail_are_kept_and_the_rest_is_counted(mark, directory):
    settings = {"scripts": {"directory": str(directory), "output_cap": 4096}}
    script = "echo first; head -c 100000 /dev/zero | tr '\\0' x; echo; echo careful >&2; echo last"
    async with Harness(windlass_scripts, settings=settings) as harness:
        run = await harness.run("ExecuteScript", {"script": script, "env": {"MARK": mark}}, within=30)
    assert run.output["stdout"].startswith(b"first\nxxx")
    assert run.output["stdout"].endswith(b"last\n")
    assert sum(map(len, run.output.values())) == 4096
    assert (run.result["stdout_bytes"], run.result["stderr_bytes"]) == (100_012, 8)
    assert run.result["dropped_bytes"] == run.dropped == 100_020 - 4096
    run.assert_step("kept the head and the tail of its output, 95,924 bytes between are dropped")


async def test_what_secrets_change_in_the_output_is_counted_as_it_is_kept(mark, directory, tmp_path):
    (tmp_path / "vault").mkdir(mode=0o700)
    (tmp_path / "vault" / "long").write_text("s3cret" * 100)
    (tmp_path / "vault" / "long").chmod(0o600)
    settings = {"scripts": {"directory": str(directory), "output_cap": 1024, "secrets_directory": f"{tmp_path}/vault"}}
    payload = {"script": "cat /dev/fd/7; head -c 1100 /dev/zero", "secrets": {"LONG": "long"}, "env": {"MARK": mark}}
    async with Harness(windlass_scripts, settings=settings) as harness:
        run = await harness.run("ExecuteScript", payload, within=30)
    assert run.result["stdout_bytes"] == 1700
    assert run.result["dropped_bytes"] == run.dropped == len("[secret LONG]") + 1100 - 1024
